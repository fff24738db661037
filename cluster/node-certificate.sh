#!/usr/bin/env bash
# With RAY_USE_TLS=1: a certificate for this node, by the authority of its cluster; then, with or without, the command.
#   node-certificate.sh AUTHORITY FOLDER NAMES [COMMAND ...]
# AUTHORITY is a folder that all nodes share, made by the first of them; who can read it can make certificates. FOLDER
# gets ca.crt, node.crt and node.key, which RAY_TLS_CA_CERT, RAY_TLS_SERVER_CERT and RAY_TLS_SERVER_KEY name. NAMES are
# what the node goes by besides its addresses, such as DNS:ray-head.
set -euo pipefail
authority=$1 folder=$2 names=$3
shift 3

if [[ ${RAY_USE_TLS:-0} == 1 ]]; then
    umask 077
    if [[ ! -e $authority/ca.crt ]]; then
        made=$(mktemp -d "$authority-XXXXXX")
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=Ray's nodes" \
            -keyout "$made/ca.key" -out "$made/ca.crt" 2>/dev/null
        # Of nodes that start at once the first one makes it; it is there whole, or not.
        mv -T "$made" "$authority" 2>/dev/null || rm -rf "$made"
    fi
    mkdir -p "$folder"
    cp "$authority/ca.crt" "$folder"
    # A node goes by all of its addresses.
    # shellcheck disable=SC2046 # one word for each address
    names=DNS:localhost,IP:127.0.0.1${names:+,$names}$(printf ",IP:%s" $(hostname -I))
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$(hostname)" \
        -keyout "$folder/node.key" -out "$folder/node.csr" 2>/dev/null
    openssl x509 -req -in "$folder/node.csr" -CA "$authority/ca.crt" -CAkey "$authority/ca.key" \
        -set_serial "0x$(openssl rand -hex 16)" -days 3650 -extfile <(echo "subjectAltName=$names") \
        -out "$folder/node.crt" 2>/dev/null
fi

if (($#)); then exec "$@"; fi
