"""Every manifest against the schema of who reads it, and what the schemas cannot tell."""

import copy
import json
import shutil
import subprocess
import sysconfig
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from ray.runtime_env import RuntimeEnv

from tests.cluster.schemas import CLUSTER, KUBERAY, check_object, objects

KUBERNETES_FILES = ["tracking.yaml", "raycluster.yaml", "rayjob.yaml"]
OBJECTS = {
    f"{file}-{each['kind']}-{each['metadata'].get('name', 'new')}": each
    for file in KUBERNETES_FILES
    for each in objects(file)
}
RAY = {kind: next(each for each in OBJECTS.values() if each["kind"] == kind) for kind in ("RayCluster", "RayJob")}


def load(file: str) -> Any:
    return yaml.safe_load((CLUSTER / file).read_text())


def tool(name: str) -> str:
    found = shutil.which(name, path=sysconfig.get_path("scripts"))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: str | Path) -> str:
    """What a tool has to say; nothing where it finds nothing."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.parametrize("name", OBJECTS)
def test_kubernetes_takes_every_field(name: str) -> None:
    check_object(OBJECTS[name])


@pytest.mark.parametrize("kind", RAY)
@pytest.mark.parametrize("place", ["spec", "cluster", "worker", "probe"])
def test_an_unknown_field_of_kuberay_is_rejected(kind: str, place: str) -> None:
    planted = copy.deepcopy(RAY[kind])
    spec = planted["spec"]
    cluster = spec.get("rayClusterSpec", spec)
    worker = cluster["workerGroupSpecs"][0]["template"]["spec"]
    into = {"spec": spec, "cluster": cluster, "worker": worker, "probe": worker["containers"][0]["livenessProbe"]}
    into[place]["replicaz"] = 1
    with pytest.raises(jsonschema.ValidationError, match="'replicaz' was unexpected"):
        check_object(planted)


def test_an_unknown_field_of_kubernetes_is_rejected() -> None:
    planted = copy.deepcopy(next(each for each in OBJECTS.values() if each["kind"] == "StatefulSet"))
    planted["spec"]["template"]["spec"]["containers"][0]["commnad"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="commnad"):
        check_object(planted)


def test_compose() -> None:
    schema = json.loads(files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text())
    jsonschema.validate(load("compose.yaml"), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(load("compose.yaml") | {"servces": {}}, schema)


def test_ray_up() -> None:
    schema = json.loads(files("ray").joinpath("autoscaler/ray-schema.json").read_text())
    jsonschema.validate(load("aws.yaml"), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(load("aws.yaml") | {"max_wokers": 2}, schema)


def test_runtime_env() -> None:
    content = load("runtime_env.yaml")
    assert set(content) <= RuntimeEnv.known_fields
    assert RuntimeEnv(**content).env_vars() == content["env_vars"]


def test_dockerfile() -> None:
    assert run(tool("hadolint"), CLUSTER / "Dockerfile") == ""


def test_slurm_script() -> None:
    for script in ("slurm.sh", "node-certificate.sh"):
        assert run("bash", "-n", CLUSTER / script) == ""
        assert run(tool("shellcheck"), CLUSTER / script) == ""


def test_every_manifest_is_tested_here() -> None:
    there = {path.name for path in CLUSTER.iterdir() if path.suffix in {".yaml", ".sh"}}
    assert there == {
        *KUBERNETES_FILES,
        "compose.yaml",
        "aws.yaml",
        "runtime_env.yaml",
        "slurm.sh",
        "node-certificate.sh",
    }


def test_a_ray_job_has_the_cluster_that_stays_up_without_what_only_that_needs() -> None:
    stays = dict(RAY["RayCluster"]["spec"])
    del stays["gcsFaultToleranceOptions"]
    assert RAY["RayJob"]["spec"]["rayClusterSpec"] == stays


def test_only_kuberay_reads_what_the_tests_skip_without_its_schemas() -> None:
    assert {each["kind"] for each in OBJECTS.values() if each["apiVersion"] == KUBERAY} == set(RAY)
