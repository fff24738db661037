#!/usr/bin/env bash
# A sweep on the nodes of a Slurm job: Ray starts on them, runs the sweep, and is gone with the job. See README.md.
#   RESABLATE_HOME=/shared/resablate sbatch cluster/slurm.sh sweeps/quickstart.yaml
# from the folder of the repository, on a file system that all nodes share, with its .venv (or another, in VENV).
# Five minutes before its time is up, or when it is preempted, Slurm sends SIGTERM: the sweep ends in order, every trial
# keeps its last epoch, and the job is queued again and continues. It ends when the sweep does.
#SBATCH --job-name=resablate
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=4
#SBATCH --mem=64G
#SBATCH --time=08:00:00
#SBATCH --signal=B:TERM@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=resablate-%j.log
set -euo pipefail

sweep=${1:?"which sweep? sbatch cluster/slurm.sh sweeps/quickstart.yaml"}
export RESABLATE_HOME=${RESABLATE_HOME:?"a folder on a file system that all nodes share, for checkpoints"}
export PATH=${VENV:-$PWD/.venv}/bin:$PATH

# Other users of these nodes reach the same ports; the environment of a process is its owner's alone.
umask 077
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN RAY_USAGE_STATS_ENABLED=0

# Two jobs on one node must not share a port or a folder; names of sockets must be short.
port=$((20000 + SLURM_JOB_ID % 20000))
head_ip=$(python -c 'import ray.util; print(ray.util.get_node_ip_address())') # the driver will go by this one
folder=/tmp/ray-$SLURM_JOB_ID
export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK # steps of newer Slurms do not inherit it
start=(ray start --block "--num-cpus=$SLURM_CPUS_PER_TASK" "--num-gpus=${SLURM_GPUS_ON_NODE:-0}")

# With RAY_USE_TLS=1 in your environment Ray's processes encrypt what they say to each other, and speak to nobody without
# a certificate of this job's own authority.
tls=/tmp/ray-tls-$SLURM_JOB_ID
authority=
if [[ ${RAY_USE_TLS:-0} == 1 ]]; then
    authority=$RESABLATE_HOME/tls-$SLURM_JOB_ID
    export RAY_TLS_SERVER_CERT=$tls/node.crt RAY_TLS_SERVER_KEY=$tls/node.key RAY_TLS_CA_CERT=$tls/ca.crt
    srun --ntasks-per-node=1 cluster/node-certificate.sh "$authority" "$tls" ""
fi

stopped=
driver=
steps=()

# shellcheck disable=SC2329 # traps call these two
on_term() {
    stopped=yes
    if [[ -n $driver ]]; then kill -TERM "$driver" 2>/dev/null || true; fi
}

# shellcheck disable=SC2329
end_ray() {
    kill -TERM "${steps[@]}" 2>/dev/null || true
    wait || true
    srun --ntasks-per-node=1 rm -rf "$folder" "$tls" || true
    if [[ -n $authority ]]; then rm -rf "$authority" "$authority"-*; fi
}

trap on_term TERM
trap end_ray EXIT

srun --nodes=1 --ntasks=1 --nodelist="$SLURMD_NODENAME" \
    "${start[@]}" --head "--node-ip-address=$head_ip" "--port=$port" "--temp-dir=$folder" --include-dashboard=false &
steps+=($!)

# For two minutes; `ray health-check` says with its exit code whether the head answers.
for _ in $(seq 60); do
    if ray health-check --address "$head_ip:$port" >/dev/null 2>&1; then break; fi
    sleep 2
done

if ((SLURM_JOB_NUM_NODES > 1)); then
    others=$((SLURM_JOB_NUM_NODES - 1))
    srun --nodes="$others" --ntasks="$others" --exclude="$SLURMD_NODENAME" "${start[@]}" "--address=$head_ip:$port" &
    steps+=($!)
fi

export RAY_ADDRESS=$head_ip:$port
# A sweep counts the nodes once, when it starts.
python - "$SLURM_JOB_NUM_NODES" <<'PYTHON'
import sys, time
import ray

ray.init(log_to_driver=False, logging_level="ERROR")
deadline = time.monotonic() + 300
while (there := sum(node["Alive"] for node in ray.nodes())) < int(sys.argv[1]):
    if time.monotonic() > deadline:
        sys.exit(f"only {there} of {sys.argv[1]} nodes joined Ray in 5 minutes; see the log above")
    time.sleep(1)
PYTHON

if [[ -z $stopped ]]; then
    python -m resablate sweep "$sweep" &
    driver=$!
fi

# A signal ends `wait` before the sweep has ended.
code=143
while [[ -n $driver ]]; do
    code=0
    wait "$driver" || code=$?
    if ! kill -0 "$driver" 2>/dev/null; then break; fi
done

if [[ -n $stopped ]] && ((code == 143)); then
    echo "stopped by Slurm; the job is queued again and continues from the last epochs"
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
