"""RAY_USE_TLS in compose, on Kubernetes and on AWS: one variable, and a certificate for every node."""

import re
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.schemas import CLUSTER, templates
from tests.cluster.test_manifests import COMPOSE, KUBERNETES

SCRIPT = CLUSTER / "node-certificate.sh"
FILES = {"RAY_TLS_CA_CERT": "ca.crt", "RAY_TLS_SERVER_CERT": "node.crt", "RAY_TLS_SERVER_KEY": "node.key"}


def plain(env: list[dict[str, Any]]) -> dict[str, Any]:
    return {variable["name"]: variable.get("value", variable.get("valueFrom")) for variable in env}


def nodes() -> Iterator[tuple[str, Mapping[str, Any], list[str]]]:
    """Name, environment, and the call that makes the certificate, of each container in which Ray runs."""
    for name, service in COMPOSE["services"].items():
        if name.startswith("ray-"):
            yield name, service["environment"], service["entrypoint"]
    for each in (each for each in KUBERNETES if each["kind"] in ("RayCluster", "RayJob")):
        spec = each["spec"].get("rayClusterSpec", each["spec"])
        for template in templates(spec):
            pod = template["spec"]
            [first] = pod["initContainers"]
            assert plain(first["env"]).items() <= plain(pod["containers"][0]["env"]).items()
            yield f"{each['kind']} {pod['containers'][0]['name']}", plain(pod["containers"][0]["env"]), first["command"]
        head = spec["headGroupSpec"]["template"]["spec"]["initContainers"][0]["command"]
        yield f"{each['kind']} autoscaler", plain(spec["autoscalerOptions"]["env"]), head


def test_every_node_takes_the_certificate_that_is_made_for_it() -> None:
    found = list(nodes())
    assert len(found) == 3 + 2 * 3
    for name, env, (script, authority, folder, names) in found:
        assert {variable: env[variable] for variable in FILES} == {
            variable: f"{folder}/{file}" for variable, file in FILES.items()
        }, name
        assert (script, authority) == (SCRIPT.name, "/resablate/authority"), name
        if isinstance(env["RAY_USE_TLS"], str):
            assert (env["RAY_USE_TLS"], names) == ("${ray_use_tls:-0}", "DNS:ray-head")
        else:
            reference = {"name": "resablate", "key": "ray_use_tls", "optional": True}
            assert env["RAY_USE_TLS"] == {"secretKeyRef": reference}, name


def made(shared: Path, folder: Path, names: str = "", **environment: str) -> subprocess.Popen[str]:
    command = ["bash", str(SCRIPT), str(shared / "authority"), str(folder), names, "echo", "begun"]
    return subprocess.Popen(command, env={"PATH": "/usr/bin:/bin", **environment}, stdout=subprocess.PIPE, text=True)


def greets(server: Path, client: Path | None, authority: Path, *, host: str) -> None:
    """A handshake, in memory, in which each asks for the other's certificate; raises ssl.SSLError where one refuses."""
    here, there = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for context, own in ((there, server), (here, client)):
        context.load_verify_locations(authority)
        if own:
            context.load_cert_chain(own / "node.crt", own / "node.key")
    there.verify_mode = ssl.CERT_REQUIRED
    out, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [here.wrap_bio(back, out, server_hostname=host), there.wrap_bio(out, back, server_side=True)]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue


def test_nodes_that_start_at_once_trust_each_other_and_nobody_else(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("a", "b", "other")]
    (tmp_path / "elsewhere").mkdir()
    shared = [tmp_path, tmp_path, tmp_path / "elsewhere"]
    starting = [
        made(where, place, "DNS:*.resablate.svc.cluster.local", RAY_USE_TLS="1")
        for where, place in zip(shared, places, strict=True)
    ]
    assert [start.communicate()[0] for start in starting] == ["begun\n"] * 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "authority", "b", "elsewhere", "other"]
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "authority", *places[0].iterdir())} == {0}
    one, two, other = places
    for host in ("localhost", "127.0.0.1", "resablate-head-svc.resablate.svc.cluster.local"):
        greets(one, two, one / "ca.crt", host=host)
    for client, host in ((None, "localhost"), (other, "localhost"), (two, "example.com")):
        with pytest.raises(ssl.SSLError):
            greets(one, client, one / "ca.crt", host=host)


@pytest.mark.parametrize("environment", [{}, {"RAY_USE_TLS": "0"}])
def test_without_the_variable_the_command_runs_and_nothing_is_made(tmp_path: Path, environment: dict[str, str]) -> None:
    assert made(tmp_path, tmp_path / "tls", **environment).communicate()[0] == "begun\n"
    assert list(tmp_path.iterdir()) == []


def started_on_aws(commands: list[str], home: Path, efs: Path) -> dict[str, str]:
    """The environment that `ray start` gets of a node's commands, run by bash with a stand-in for Ray."""
    (home / "venv" / "bin").mkdir(parents=True)
    ray = home / "venv" / "bin" / "ray"
    ray.write_text('#!/bin/sh\n[ "$1" != start ] || env > ~/environment\n')
    ray.chmod(0o755)
    (home / "resablate" / "cluster").mkdir(parents=True)
    (home / "resablate" / "cluster" / SCRIPT.name).write_bytes(SCRIPT.read_bytes())
    for command in commands:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "RAY_HEAD_IP": "127.0.0.1"}
        here = command.replace("/resablate/authority", f"{efs}/authority").replace("ulimit -n 65536; ", "")
        subprocess.run(["bash", "-c", here], env=environment, check=True)
    lines = [line.partition("=") for line in (home / "environment").read_text().splitlines()]
    return {name: value for name, _, value in lines}


@pytest.mark.parametrize("switched", [False, True])
def test_nodes_on_aws_take_certificates_where_the_variable_is_switched_on(tmp_path: Path, switched: bool) -> None:
    text, efs = (CLUSTER / "aws.yaml").read_text(), tmp_path / "efs"
    efs.mkdir()
    if switched:  # by the command of the README
        [command] = re.findall("^sed -i '(.*)' cluster/aws.yaml$", (CLUSTER / "README.md").read_text(), re.MULTILINE)
        text = subprocess.run(["sed", command], input=text, capture_output=True, text=True, check=True).stdout
    manifest = yaml.safe_load(text)
    assert manifest["file_mounts"][f"/home/ubuntu/resablate/cluster/{SCRIPT.name}"] == f"cluster/{SCRIPT.name}"
    homes = [tmp_path / "head", tmp_path / "worker"]
    for home, kind in zip(homes, ("head", "worker"), strict=True):
        found = started_on_aws(manifest[f"{kind}_start_ray_commands"], home, efs)
        assert found["RAY_USE_TLS"] == str(int(switched))
        assert {name: found[name] for name in FILES} == {name: f"{home}/tls/{file}" for name, file in FILES.items()}
        assert (home / "tls" / "node.crt").exists() is switched
    if switched:
        greets(homes[0] / "tls", homes[1] / "tls", homes[0] / "tls" / "ca.crt", host="127.0.0.1")
    assert [path.name for path in efs.iterdir()] == (["authority"] if switched else [])
