"""Words that change a sweep as it is read."""

from pathlib import Path

import pytest

from resablate.errors import SpecError
from resablate.plan import load_plan
from resablate.sweep import load_sweep

TEXT = """
name: gates
base: {epochs: 12, schedule.milestones: [0.5, 0.75]}
axes: {shortcut: [identity, conv1x1], seed: [0, 1, 2]}
analyses: {lesion: {examples: 2000}, spectrum: {}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "gates.yaml").write_text(TEXT)
    return tmp_path / "gates.yaml"


def test_a_word_takes_the_place_of_what_the_file_says(file: Path) -> None:
    changes = {"epochs": 2, "seed": [5], "shortcut": "identity", "depth": [8, 14], "lesion.examples": 50}
    sweep = load_sweep(file, {**changes, "search.seed": 3, "resources.pack": 2, "name": "short"})
    assert sweep.name == "short"
    assert sweep.base["epochs"] == 2
    assert [str(value) for value in sweep.axes.pop("shortcut")] == ["identity"]  # type: ignore[attr-defined]
    assert sweep.axes == {"seed": (5,), "depth": (8, 14)}
    assert [str(asked.analysis) for asked in sweep.analyses] == ["test", "lesion(examples=50)", "spectrum"]
    assert (sweep.search.seed, sweep.resources.pack) == (3, 2)


def test_a_list_that_is_an_argument_stays_one(file: Path) -> None:
    plan = load_plan(file, {"schedule.milestones": [0.25]})
    assert {spec.schedule.values["milestones"] for spec in plan.trials} == {(0.25,)}
    assert load_sweep(file).base["schedule.milestones"] != (0.25,)


def test_what_is_nothing_of_a_sweep_is_refused_with_what_is(file: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_sweep(file, {"epoch": 2, "search": 3, "path_count.examples": 1})
    lines = str(caught.value).splitlines()
    assert [line.strip().partition(":")[0] for line in lines if "is nothing of this sweep" in line] == [
        "epoch",
        "search",
        "path_count.examples",
    ]
    with pytest.raises(SpecError, match=r"axes\.shortcut.*|unknown shortcut 'gate'"):
        load_plan(file, {"shortcut": "gate"})


def test_a_strength_without_a_regularizer_is_refused_before_anything_runs(file: Path) -> None:
    with pytest.raises(SpecError, match=r"regularizer\.strength: no regularizer of this sweep takes it"):
        load_plan(file, {"regularizer.strength": [0.1, 1]})


def test_an_argument_takes_the_place_of_the_one_inside_its_component(tmp_path: Path) -> None:
    file = tmp_path / "inside.yaml"
    file.write_text("name: inside\nbase: {dataset: {name: digits, train_examples: 100}, batch_size: 32}\n")
    for value in (50, [50, 60]):
        plan = load_plan(file, {"dataset.train_examples": value})
        counts = [spec.dataset.values["train_examples"] for spec in plan.trials]
        assert counts == (value if isinstance(value, list) else [value])
