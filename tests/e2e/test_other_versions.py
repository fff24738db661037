"""The lowest and highest allowed versions of MLflow and Ray, and one between, each in an environment of its own.

What is not named comes from the environment of the tests: a new one lies before it on the path.
"""

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from resablate.tracking import open_tracker
from tests.scheduling.tiny import ANALYSES, BASE, numbers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

TINY = {"name": "tiny", "base": dict(BASE), "axes": {"shortcut": ["identity", "none"]}, "analyses": dict(ANALYSES)}
ROOT = Path(__file__).parents[2]
TRACKING = ["tests/contracts/test_trackers.py", "tests/tracking", "tests/test_syncing.py"]
SCHEDULING = [
    "tests/scheduling/test_ray_tune.py",
    "tests/scheduling/test_search_ray.py",
    "tests/scheduling/test_ray_packs.py",
]


def allowed(package: str) -> SpecifierSet:
    """The versions that pyproject.toml allows."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    [found] = [asked for line in extras["sweep"] if (asked := Requirement(line)).name == package]
    return found.specifier


def lowest(package: str) -> str:
    """The oldest version that pyproject.toml allows."""
    return next(part.version for part in allowed(package) if part.operator == ">=")


def highest(package: str) -> str:
    """The newest minor version that pyproject.toml allows, with any patch."""
    major, minor = next(part.version for part in allowed(package) if part.operator == "<").split(".")
    return f"{major}.{int(minor) - 1}.*"


def environment(folder: Path, requirement: str) -> Path:
    """The interpreter of an environment in `folder` with this requirement, and all else from that of the tests."""
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    here = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    (Path(here) / "zz_rest.pth").write_text(sysconfig.get_path("purelib"))
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement]
    subprocess.run(install, check=True)
    return python


def run(python: Path, *words: str, folder: Path, **more: str) -> str:
    """What a command of that environment prints; it has to succeed."""
    variables = os.environ | {"PYTHONPATH": str(ROOT)} | more
    done = subprocess.run([str(python), *words], cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("package", "version", "suites"),
    [
        ("mlflow", lowest("mlflow"), TRACKING),
        ("mlflow", "3.14", TRACKING),
        ("mlflow", highest("mlflow"), TRACKING),
        ("ray", lowest("ray"), SCHEDULING),
        ("ray", highest("ray"), SCHEDULING),
    ],
)
def test_the_contracts_hold(package: str, version: str, suites: list[str], tmp_path: Path) -> None:
    extras = "[default,tune]" if package == "ray" else ""
    python = environment(tmp_path / "environment", f"{package}{extras}=={version}")
    told = run(python, "-c", f"import importlib.metadata as m; print(m.version('{package}'))", folder=ROOT)
    assert told.startswith(version.removesuffix("*"))
    run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-x", *suites, folder=ROOT, RESABLATE_SLOW="0")


def test_mlflow_is_upgraded_in_the_middle_of_a_sweep(tmp_path: Path) -> None:
    """One trial by the oldest version, the database brought to today's, the rest by today's."""
    old, today = environment(tmp_path / "environment", f"mlflow=={lowest('mlflow')}"), Path(sys.executable)
    results: dict[str, list[dict[str, Any]]] = {}
    for name, first in {"undisturbed": today, "upgraded": old}.items():
        work = tmp_path / name
        work.mkdir()
        (work / "tiny.yaml").write_text(yaml.safe_dump(TINY))
        uri = f"sqlite:///{work / 'mlflow.db'}"
        home = {"RESABLATE_HOME": str(work)}
        sweep = ["-m", "resablate", "sweep", "tiny.yaml", "--inline"]
        assert "1 finished" in run(first, *sweep, "--max-trials", "1", folder=work, **home)
        run(today, "-m", "mlflow", "db", "upgrade", uri, folder=work)
        assert "1 of 2 trials are complete already" in run(today, *sweep, folder=work, **home)
        results[name] = [numbers(result) for result in open_tracker(uri).load_sweep("tiny").results]
    assert len(results["upgraded"]) == 2
    assert results["upgraded"] == results["undisturbed"]
