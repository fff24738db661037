"""Every sweep in the repository can be run, and its header tells the truth."""

import re
from pathlib import Path

import pytest

from resablate.plan import load_plan
from tests.test_cli import Shell

ON_GPUS = {"cifar10", "cifar100", "image_folder"}
"""Data sets whose sweeps cost hours of a GPU."""
SWEEPS = sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml"))


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_the_header_counts_the_trials(path: Path) -> None:
    plan = load_plan(path)
    stated = re.search(r"(\d[\d,]*) trials\b", path.read_text().splitlines()[0])
    assert stated, "the first comment line ends in '... N trials'"
    assert plan.trial_count == int(stated[1].replace(",", ""))
    assert plan.sweep.name == path.stem
    assert plan.sweep.question.endswith("?")


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_the_header_names_the_cost(path: Path) -> None:
    sweep = load_plan(path).sweep
    datasets = {sweep.base.get("dataset"), *sweep.axes.get("dataset", [])}
    header = path.read_text().partition("\nname:")[0]
    assert ("GPU hour" if datasets & ON_GPUS else "CPU core") in header


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_check_has_no_objection(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = Shell(tmp_path, monkeypatch, capsys)("check", str(path))
    assert ran.code == 0, ran.err
