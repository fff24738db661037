"""Training again on purpose, and what is said of results that other code made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from resablate import versions
from resablate.component import Component
from resablate.errors import SpecError
from resablate.plan import SweepPlan
from resablate.scheduling import reruns, run
from resablate.tracking import MemoryTracker
from tests.scheduling.test_inline import run_tiny
from tests.scheduling.tiny import final_plan, tiny_plan


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> MemoryTracker:
    memory = MemoryTracker()
    monkeypatch.setattr(run, "open_tracker", lambda uri: memory)
    return memory


def plan(**parts: Any) -> SweepPlan:
    return tiny_plan({"seed": [0, 1]}, analyses={}, **{"epochs": 1, **parts})


def keys() -> list[str]:
    return [spec.key for spec in final_plan({"seed": [0, 1]}, analyses={}, epochs=1).trials]


def other_code(monkeypatch: pytest.MonkeyPatch, part: str = "training") -> None:
    """As if a part of the package had been edited."""
    now = dict(entry.split("=") for entry in versions.source().split())
    changed = " ".join(f"{name}={'0' * 6 if name == part else digest}" for name, digest in now.items())
    monkeypatch.setattr(versions, "source", lambda: changed)


def test_by_key_all_and_what_other_code_made(memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    run_tiny(plan())
    before = memory.complete_keys()
    outcome, text = run_tiny(plan(), rerun=keys()[1][:8])
    assert "1 results are set aside, and their trials trained again" in text
    assert (outcome.reused, outcome.counts) == (1, {"finished": 1})
    after = memory.complete_keys()
    assert after[keys()[0]] == before[keys()[0]]
    assert after[keys()[1]] != before[keys()[1]]
    aside = [found.run_id for found in memory.runs if found.aside == "superseded"]
    assert aside == [before[keys()[1]]]
    assert len(memory.load_sweep("tiny").results) == 2

    outcome, _ = run_tiny(plan(), rerun="changed")
    assert (outcome.reused, outcome.counts) == (2, {}), "the same code made them"
    other_code(monkeypatch)
    outcome, text = run_tiny(plan())
    assert "2 results were made with other code in training than there is now; they count as they are (--rerun" in text
    assert outcome.reused == 2
    outcome, _ = run_tiny(plan(), rerun="changed")
    assert (outcome.reused, outcome.counts) == (0, {"finished": 2})
    outcome, text = run_tiny(plan(), rerun="all")
    assert (outcome.reused, outcome.counts) == (0, {"finished": 2})
    assert len(memory.runs) == 7


def test_a_training_that_several_sweeps_ran_is_trained_again_once(
    memory: MemoryTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_tiny(plan())
    # As two sweeps at a time leave it, on a server whose searches lag.
    monkeypatch.setattr(MemoryTracker, "_check_trial", lambda tracker, key, lease: None)
    for found in list(memory.runs):
        memory.start_sweep(plan(name="other").sweep, trials=[found.spec], command="")
        memory.start_trial(found.spec)
        memory.finish_trial(memory.load_trial(found.run_id)[1], weights={}, figures={})
    outcome, _ = run_tiny(plan(), rerun=keys()[0])
    assert (outcome.reused, outcome.counts) == (1, {"finished": 1})


def test_what_cannot_be_run_again(memory: MemoryTracker) -> None:
    with pytest.raises(SpecError, match=r"--rerun: 'chnged' is no key .* write changed, all or keys, which resablate"):
        run_tiny(plan(), rerun="chnged")
    search = tiny_plan(
        {"learning_rate": {"low": 0.01, "high": 0.1}}, search={"method": "tpe", "trials": 2, "minimize": "val_loss"}
    )
    with pytest.raises(SpecError, match="--rerun: the search tpe has chosen trials by these results"):
        run_tiny(search, rerun="all")
    assert not memory.runs


def test_other_data_and_other_rows_are_named(memory: MemoryTracker) -> None:
    final = final_plan({"seed": [0, 1]}, analyses={})
    old = [
        spec.model_copy(
            update={
                "dataset": replace(spec.dataset, identity="data:0123456789abcdef"),
                "shortcut": Component("identity", {}, {}, "theirs 1.0 0123"),
            }
        )
        for spec in final.trials
    ]
    memory.start_sweep(final.sweep, trials=[*old, final.trials[0]], command="")
    notes = reruns.notes_on_change(final, memory)
    assert notes == [
        "shortcut identity: nameless, was theirs 1.0 0123; 2 trials are others by that, and trained anew",
        f"dataset digits: {final.trials[0].dataset.identity}, was data:0123456789abcdef; 2 trials are others by that,"
        " and trained anew",
    ]
    memory.start_sweep(final.sweep, trials=final.trials, command="")
    assert reruns.notes_on_change(final, memory) == []


def test_the_source_of_every_part_is_told() -> None:
    told = dict(entry.split("=") for entry in versions.source().split())
    assert {"model", "training", "shortcuts", "datasets"} <= told.keys()
    assert all(len(digest) == 6 for digest in told.values())
    assert versions.versions()["source"] == versions.source()
    assert versions.changed_parts(versions.source()) == ()
    assert versions.changed_parts("model=000000 gone=1") == ("model",)
    assert versions.changed_parts("") == ()
