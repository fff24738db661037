"""Every sweep in the repository can be run, and its header tells the truth."""

import re
from functools import cache
from pathlib import Path

import pytest

from resablate import estimates
from resablate.model import NetworkCost
from resablate.plan import SweepPlan, load_plan
from tests.commands.shell import Shell

ON_GPUS = {"cifar10", "cifar100", "image_folder"}
"""Data sets whose sweeps cost hours of a GPU."""
SWEEPS = sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml"))


@cache
def plan_of(path: Path) -> SweepPlan:
    return load_plan(path)


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_the_header_counts_the_trials(path: Path) -> None:
    plan = plan_of(path)
    stated = re.search(r"(\d[\d,]*) trials\b", path.read_text().splitlines()[0])
    assert stated, "the first comment line ends in '... N trials'"
    assert plan.trial_count == int(stated[1].replace(",", ""))
    assert plan.sweep.name == path.stem
    assert plan.sweep.question.endswith("?")


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_the_header_names_the_cost(path: Path) -> None:
    plan = plan_of(path)
    datasets = {spec.dataset.name for spec in (*plan.trials, *plan.samples)}
    header = path.read_text().partition("\nname:")[0]
    assert ("GPU hour" if datasets & ON_GPUS else "CPU core") in header


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_check_has_no_objection(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # To count the operations of a thousand layers takes seconds, and is tested with the networks.
    monkeypatch.setattr(estimates, "network_cost", lambda **fields: NetworkCost(1, 10**6, 3))
    ran = Shell(tmp_path, monkeypatch, capsys)("check", str(path))
    assert ran.code == 0, ran.err
    assert f"{path}: {plan_of(path).trial_count} trials" in ran.out
