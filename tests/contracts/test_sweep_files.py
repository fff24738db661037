"""Every sweep in the repository can be run, and its header tells the truth."""

import math
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from resablate import estimates
from resablate.model import NetworkCost
from resablate.plan import SweepPlan, load_plan
from resablate.report import published_errors
from resablate.result import TrialResult
from tests.commands.shell import Shell

ON_GPUS = {"cifar10", "cifar100", "image_folder"}
"""Data sets whose sweeps cost hours of a GPU."""
SECONDS = {15: 1.0, 56: 1.4, 110: 2.7, 164: 3.7, 166: 3.7, 272: 6.1, 274: 6.1, 632: 14.3, 634: 14.3, 1001: 23, 1003: 23}
"""Depth -> what the headers assume for an epoch of 50,000 images on one H200 in eager float32, batches of 128."""
MOSTLY_DISSECTED = {"veit_resnet110"}
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
    assert not [note for note in plan.notes if note.startswith("warning")], "an axis that changes nothing"


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_the_header_names_the_cost(path: Path) -> None:
    plan = plan_of(path)
    datasets = {spec.dataset.name for spec in (*plan.trials, *plan.samples)}
    header = path.read_text().partition("\nname:")[0]
    assert ("GPU hour" if datasets & ON_GPUS else "CPU core") in header


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_the_hours_are_those_of_the_epochs(path: Path) -> None:
    """At least what the trainings take, and a third more at most for the dissections and for smaller batches."""
    plan = plan_of(path)
    stated = re.search(r"about ([\d.]+) GPU hours on one H200 \(", path.read_text())
    datasets = {spec.dataset.name for spec in (*plan.trials, *plan.samples)}
    if not datasets <= {"cifar10", "cifar100"}:
        assert stated is None, "ImageNet's are counted in images a second, and CPUs' in minutes"
        return
    assert stated
    seconds = 0.0
    for spec in plan.trials:
        images = 50_000 * (1 - float(spec.dataset.values.get("val_fraction", 0.1)))
        epochs = min(spec.epochs, (spec.iterations or math.inf) * spec.batch_size / images)
        seconds += epochs * SECONDS[spec.depth] * images / 50_000
    assert 1 <= float(stated[1]) / (seconds / 3600) < (2.1 if path.stem in MOSTLY_DISSECTED else 1.36)


@pytest.mark.parametrize(
    ("name", "marked"),
    [
        ("he_table1", 11),  # of 12: the shortcut-only gate of bias -7 is not published
        ("he_table2_resnet110", 5),
        ("he_table2_resnet164", 5),
        ("he_table3_resnet1001", 8),
        ("he_table3_single", 2),
        ("he_table5", 5),
        ("procrustes_resnet166", 1),
        ("procrustes_depths", 0),  # published are the best epochs by test error
        ("veit_effective_paths", 2),
        ("veit_resnet110", 1),
        ("veit_stochastic_depth", 0),
        ("huang_stochastic_depth", 0),
        ("table1_ten_years_later", 0),
        ("fashion_mnist", 0),
    ],
)
def test_published_numbers_stand_beside_the_networks_of_the_papers(name: str, marked: int) -> None:
    published = published_errors()
    cells = {spec.cell: spec for spec in plan_of(Path(__file__).parents[2] / "sweeps" / f"{name}.yaml").trials}
    texts = {cell: published(TrialResult(spec=spec, status="finished")) for cell, spec in cells.items()}
    assert sum(text is not None for text in texts.values()) == marked
    for spec in cells.values():  # with images held out it is another training, of which nothing was published
        arguments = {**spec.dataset.arguments, "val_fraction": 0.1}
        other = spec.model_copy(update={"dataset": replace(spec.dataset, arguments=arguments)})
        assert published(TrialResult(spec=other, status="finished")) is None


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_check_has_no_objection(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # To count the operations of a thousand layers takes seconds, and is tested with the networks.
    monkeypatch.setattr(estimates, "network_cost", lambda **fields: NetworkCost(1, 10**6, 3, layers=8))
    ran = Shell(tmp_path, monkeypatch, capsys)("check", str(path))
    assert ran.code == 0, ran.err
    assert f"{path}: {plan_of(path).trial_count} trials" in ran.out
