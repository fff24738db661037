"""What the manifests agree on with each other, with constraints.txt and with the code."""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.schemas import CLUSTER, ROOT, objects, templates

FILES = [path for path in sorted(CLUSTER.iterdir()) if path.is_file()]
CONSTRAINTS = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMAGE = f"resablate:{PROJECT['version']}"
TEXT = {path.name: path.read_text() for path in FILES}
COMPOSE = yaml.safe_load(TEXT["compose.yaml"])
KUBERNETES = [each for file in ("tracking.yaml", "raycluster.yaml", "rayjob.yaml") for each in objects(file)]
CONTAINERS = [
    container
    for each in KUBERNETES
    for template in templates(each)
    for container in template["spec"].get("initContainers", []) + template["spec"]["containers"]
]
SECRET_NAME = re.compile(r"password|token|secret|credential", re.IGNORECASE)


def images() -> Iterator[str]:
    """Every image that a manifest names."""
    yield from (service["image"] for service in COMPOSE["services"].values())
    yield from (container["image"] for container in CONTAINERS)
    yield from re.findall(r"^FROM (\S+)", TEXT["Dockerfile"], re.MULTILINE)


def environments() -> Iterator[tuple[str, Any, str]]:
    """Name, value or where it comes from, and what else stands beside it: every variable that a manifest sets."""
    for service in COMPOSE["services"].values():
        yield from ((name, value, str(service)) for name, value in service.get("environment", {}).items())
    for container in CONTAINERS:
        for variable in container.get("env", []):
            yield variable["name"], variable.get("value", variable.get("valueFrom")), str(container)
    runtime = [yaml.safe_load(TEXT["runtime_env.yaml"])]
    runtime += [yaml.safe_load(each["spec"]["runtimeEnvYAML"]) for each in KUBERNETES if each["kind"] == "RayJob"]
    for each in runtime:
        yield from ((name, value, "") for name, value in each["env_vars"].items())
    for command in yaml.safe_load(TEXT["aws.yaml"])["head_start_ray_commands"]:
        yield from ((name, value, "") for name, value in re.findall(r"\b([A-Z][A-Z_]+)=(\S+)", command))
    for name, value in re.findall(r"^(?:ENV|   ) ([A-Z_]+)=(\S+)", TEXT["Dockerfile"], re.MULTILINE):
        yield name, value, ""
    for exports in re.findall(r"^export (.+)", TEXT["slurm.sh"], re.MULTILINE):
        yield from ((name, "", "") for name in re.findall(r"(?:^| )([A-Z][A-Z_]+)", exports))


@cache
def names_in(package: str) -> set[bytes]:
    """All names in capitals that a package's files say, Python and, for libraries in C, the strings in them."""
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    place = Path(spec.origin).parent
    files = [file for file in place.rglob("*.py") if "tests" not in file.parts]
    files += place.parent.glob(f"{package}.libs/libpq*")
    return {name for file in files for name in re.findall(rb"(?<!\w)[A-Z][A-Z_]+(?!\w)", file.read_bytes())}


def is_read(name: str) -> bool:
    """Whether anything looks at a variable of this name."""
    by_the_system = {"PATH", "HOME", "PYTHONUNBUFFERED", "SRUN_CPUS_PER_TASK"}
    # https://github.com/docker-library/docs/tree/master/postgres
    by_the_image_of_postgres = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "PGDATA"}
    if name in by_the_system | by_the_image_of_postgres or name.startswith("PIP_"):
        return True
    packages = {"RESABLATE": ["resablate"], "RAY": ["ray"], "MLFLOW": ["mlflow"], "PGPASSWORD": ["psycopg_binary"]}
    return any(name.encode() in names_in(package) for package in packages.get(name.partition("_")[0], []))


def test_every_image_has_a_pinned_tag() -> None:
    found = sorted({image.partition("@")[0] for image in images()})
    assert len(found) > 3
    for image in found:
        name, _, tag = image.rpartition(":")
        assert name, image
        assert re.fullmatch(r"\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?", tag), image


def digests(folder: Path) -> dict[str, str]:
    """Image of somebody else, with its tag -> its digest where a manifest in the folder gives one, else nothing."""
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".yaml" or path.name == "Dockerfile":
            for image in re.findall(r"^(?:FROM|\s*image:) (\S+)", path.read_text(), re.MULTILINE):
                name, at, digest = image.partition("@")
                if "resablate:" not in name:
                    assert not at or re.fullmatch(r"sha256:[0-9a-f]{64}", digest), f"{path.name}: {image}"
                    assert found.setdefault(name, digest) == digest, f"{path.name}: {name} stands for two images"
    return found


def test_images_of_others_go_by_digest() -> None:
    found = digests(CLUSTER)
    assert len(found) == 3
    assert all(found.values()), found


def test_the_command_of_the_readme_pins_every_image_of_others(tmp_path: Path) -> None:
    """With a stand-in for docker, which asks a registry."""
    block = re.search(r"## Images by digest.*?```sh\n(.*?)```", TEXT["README.md"], re.DOTALL)
    assert block is not None
    shutil.copytree(CLUSTER, tmp_path / "cluster")
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\nprintf 'sha256:%s' \"$(printf '%s' \"$4\" | sha256sum | cut -d' ' -f1)\"\n")
    docker.chmod(0o755)
    environment = os.environ | {"PATH": f"{docker.parent}:{os.environ['PATH']}"}
    for _ in range(2):
        subprocess.run(["bash", "-euc", block[1]], cwd=tmp_path, env=environment, check=True)
        pinned = digests(tmp_path / "cluster")
        assert pinned.keys() == digests(CLUSTER).keys()
        assert all(pinned.values()), pinned
    unpinned = (tmp_path / "cluster" / "compose.yaml").read_text()
    assert re.sub(r"@sha256:[0-9a-f]{64}", "", unpinned) == re.sub(r"@sha256:[0-9a-f]{64}", "", TEXT["compose.yaml"])


def test_versions_are_those_that_the_tests_ran_with() -> None:
    assert re.findall(r"rayVersion: (\S+)", "".join(TEXT.values())) == [CONSTRAINTS["ray"]] * 2
    assert version("ray") == CONSTRAINTS["ray"], "and the schema of `ray up` is that version's"
    cuda = re.findall(r"nvidia/cuda:(\d+\.\d+)", TEXT["Dockerfile"])
    assert cuda == [".".join(CONSTRAINTS["cuda-toolkit"].split(".")[:2])]
    assert "--constraint constraints.txt" in TEXT["Dockerfile"]
    assert "-c ~/resablate/constraints.txt" in TEXT["aws.yaml"]
    # Nothing else names a version of a package: what is not installed with the constraints would be another one.
    named = re.findall(r"\b([\w-]+)==([\d.]+)", "".join(TEXT.values()))
    assert all(CONSTRAINTS.get(package) == given for package, given in named)


def test_manifests_agree_on_versions() -> None:
    of: dict[str, set[str]] = {}
    for image in images():
        name, _, tag = image.partition("@")[0].rpartition(":")
        of.setdefault(name.rpartition("/")[2], set()).add(tag)
    assert {name: tags for name, tags in of.items() if len(tags) > 1} == {}
    assert of["resablate"] == {PROJECT["version"]}
    pythons = set(re.findall(r"\bpython(3\.\d+)", TEXT["Dockerfile"] + TEXT["aws.yaml"]))
    assert pythons == {"3.12"}
    assert tuple(map(int, "3.12".split("."))) >= tuple(map(int, PROJECT["requires-python"].strip(">=").split(".")))


def test_a_sweep_is_told_how_far_its_cluster_grows() -> None:
    for each in KUBERNETES:
        if each["kind"] in {"RayCluster", "RayJob"}:
            spec = each["spec"].get("rayClusterSpec", each["spec"])
            head = spec["headGroupSpec"]["template"]["spec"]["containers"][0]
            told = [variable["value"] for variable in head["env"] if variable["name"] == "RESABLATE_MAX_NODES"]
            assert [str(group["maxReplicas"]) for group in spec["workerGroupSpecs"]] == told
    aws = yaml.safe_load(TEXT["aws.yaml"])
    told = re.findall(r"RESABLATE_MAX_NODES=(\d+)", " ".join(aws["head_start_ray_commands"]))
    assert (
        [int(number) for number in told] == [aws["max_workers"]] == [aws["available_node_types"]["gpu"]["max_workers"]]
    )


def test_results_of_an_image_name_that_image() -> None:
    job = next(each for each in KUBERNETES if each["kind"] == "RayJob")
    head = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    named = yaml.safe_load(job["spec"]["runtimeEnvYAML"])["env_vars"]["RESABLATE_CODE_VERSION"]
    assert named == head["image"]


def test_every_variable_that_is_set_is_read_by_something() -> None:
    found = list(environments())
    assert len({name for name, _, _ in found}) > 20
    unread = {name for name, _, beside in found if f"${name}" not in beside and not is_read(name)}
    assert unread == set()
    assert not is_read("MLFLOW_TRAKCING_URI"), "the test can fail"


def test_secrets_are_named_and_not_given() -> None:
    given = [(name, value) for name, value, _ in environments() if SECRET_NAME.search(name)]
    assert len(given) > 5
    for name, value in given:
        reference = isinstance(value, dict) and set(value) == {"secretKeyRef"}
        required = isinstance(value, str) and re.fullmatch(r"\$\{\w+:\?.+\}", value)
        assert reference or required or value == "", name
    assert [each["kind"] for each in KUBERNETES if each["kind"] == "Secret"] == []
    for name, text in TEXT.items():
        assert re.findall(r"://[^/\s:@$]+:[^/\s@]+@", text) == [], f"{name}: a password in an address"
        assert re.findall(r"(?<!sha256:)\b(?:[0-9a-f]{32,}|AKIA[0-9A-Z]{16}|gh[pousr]_\w{20,})\b", text) == [], name
        assert "BEGIN" not in text, f"{name}: a key"


def test_the_secret_of_kubernetes_and_the_variables_of_compose_are_those_that_the_readme_makes() -> None:
    made = re.search(r"for name in ([\w ]+); do", TEXT["README.md"])
    assert made is not None
    compose = set(re.findall(r"\$\{(\w+):\?", TEXT["compose.yaml"]))
    references = re.findall(r"name: resablate\n\s+key: (\w+)", "".join(TEXT.values()))
    assert compose | {*references} - {"ray_use_tls"} | {"auth_token"} == set(made[1].split())
    assert "cluster/.env" in (ROOT / ".gitignore").read_text().split()


def test_ports_are_those_of_this_machine_alone() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)
    services = [each for each in KUBERNETES if each["kind"] == "Service"]
    assert len(services) == 3
    assert all(each["spec"].get("type", "ClusterIP") == "ClusterIP" for each in services)
    assert "--dashboard-host=127.0.0.1" in TEXT["aws.yaml"]
    assert "--include-dashboard=false" in TEXT["slurm.sh"]


def test_every_pod_is_behind_a_policy_and_every_service_asks_who_it_is() -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in KUBERNETES if each["kind"] == "NetworkPolicy"}
    assert policies["nothing-from-outside"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    for app, policy in policies.items():
        for source in (source for rule in policy.get("ingress", []) for source in rule["from"]):
            assert source.get("podSelector"), f"{app}: a source that is any pod"
    for each in KUBERNETES:
        if each["kind"] in {"RayCluster", "RayJob"}:
            spec = each["spec"].get("rayClusterSpec", each["spec"])
            assert spec["authOptions"] == {"mode": "token", "secretName": "resablate"}
    commands = [COMPOSE["services"]["mlflow"]["command"]]
    commands += [container["command"] for container in CONTAINERS if container["name"] == "mlflow"]
    assert len(commands) == 2
    for command in commands:
        assert "--app-name=basic-auth" in command
        assert [word for word in command if word.startswith("--allowed-hosts=") and "=*" not in word]
        assert [word for word in command if word.startswith("--artifacts-destination=")]


def test_nothing_runs_as_root() -> None:
    for each in KUBERNETES:
        for template in templates(each):
            assert template["spec"]["securityContext"]["runAsNonRoot"] is True
            for container in template["spec"].get("initContainers", []) + template["spec"]["containers"]:
                assert container["securityContext"]["allowPrivilegeEscalation"] is False
                assert container["securityContext"]["readOnlyRootFilesystem"] is True
                assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
                assert container["resources"].keys() == {"requests", "limits"}
    for name, service in COMPOSE["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "build" in service or re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"]), f"{name}: root"
    assert re.findall(r"^USER (\S+)", TEXT["Dockerfile"], re.MULTILINE) == ["10001:10001"]


def test_who_writes_where_the_root_file_system_is_read_only_has_a_place() -> None:
    """Every mount has a volume, every volume a mount, and every service a /tmp that takes files."""
    writable = {"redis"}  # its data are all that it writes
    for each in KUBERNETES:
        for template in templates(each):
            volumes = {volume["name"] for volume in template["spec"].get("volumes", [])}
            volumes |= {claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", [])}
            mounts = {
                container["name"]: {mount["mountPath"]: mount["name"] for mount in container.get("volumeMounts", [])}
                for container in template["spec"]["containers"]
            }
            begun = template["spec"].get("initContainers", [])
            assert {mount["name"] for each in begun for mount in each["volumeMounts"]} <= volumes
            assert {name for places in mounts.values() for name in places.values()} == volumes
            assert {name for name, places in mounts.items() if "/tmp" not in places} <= writable
    for name, service in COMPOSE["services"].items():
        places = [place.partition(":")[0] for place in (*service.get("tmpfs", []), *service.get("volumes", []))]
        assert "/tmp" in places, name
    assert re.search(r"^ENV HOME=/tmp$", TEXT["Dockerfile"], re.MULTILINE)
    assert "/var/run/postgresql" in "".join(COMPOSE["services"]["postgres"]["tmpfs"])


def test_workers_reach_no_records_and_the_database_reaches_nobody() -> None:
    of = {name: set(service["networks"]) for name, service in COMPOSE["services"].items()}
    assert set().union(*of.values()) == set(COMPOSE["networks"])
    assert COMPOSE["networks"]["records"] == {"internal": True}
    assert of["postgres"] == {"records"}
    assert of["ray-head"] == {"records", "ray"}
    for name, networks in of.items():
        if name.endswith("worker"):
            assert networks == {"ray"}
            assert not networks & (of["postgres"] | of["mlflow"])
    for name, service in COMPOSE["services"].items():
        outside = [network for network in of[name] if not (COMPOSE["networks"][network] or {}).get("internal")]
        assert outside or not service.get("ports"), f"{name}: a port on an internal network is not published"
        needed = {service for service in service.get("depends_on", {})}
        assert all(of[name] & of[other] for other in needed), name


def test_what_aws_gets_is_what_it_installs() -> None:
    mounts = yaml.safe_load(TEXT["aws.yaml"])["file_mounts"]
    local = {there.removeprefix("/home/ubuntu/resablate/"): here for there, here in mounts.items() if here[0] != "~"}
    assert all(there == here for there, here in local.items())
    allowed = set(re.findall(r"^!(\S+)", TEXT["Dockerfile.dockerignore"], re.MULTILINE))
    assert set(local) == allowed


def test_the_image_gets_what_it_copies_and_nothing_else() -> None:
    allowed = set(re.findall(r"^!(\S+)", TEXT["Dockerfile.dockerignore"], re.MULTILINE))
    copies = re.findall(r"^COPY (.+) \S+$", TEXT["Dockerfile"], re.MULTILINE)
    copied = {word for words in copies for word in words.split()}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in allowed)
    assert TEXT["Dockerfile.dockerignore"].splitlines()[1] == "*"


COMMANDS = [
    line.strip()
    for block in re.findall(r"^```sh\n(.*?)^```", TEXT["README.md"], re.MULTILINE | re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
    if line.strip() and not line.strip().startswith("#")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_files_that_a_command_of_the_readme_names_exist(command: str) -> None:
    words = re.findall(r"(?<![\w./:])(?:cluster|sweeps|tests)/[\w./-]*", command)
    missing = [word for word in words if not (ROOT / word).exists() and word != "cluster/.env"]
    assert missing == []


def test_every_manifest_has_its_command_in_the_readme() -> None:
    for path in FILES:
        if path.suffix in {".yaml", ".sh"} or path.name == "Dockerfile":
            assert any(f"cluster/{path.name}" in command for command in COMMANDS), path.name
