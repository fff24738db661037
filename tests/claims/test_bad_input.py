"""What is wrong with the results of a claim is said in a sentence, by `resablate claims` and in the report."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from resablate.result import TrialResult
from resablate.sweep import load_sweep
from resablate.tracking.memory_tracker import MemoryTracker
from tests.commands.shell import Shell
from tests.factories import make_outcomes, make_result

BETTER = {"ordering": "full_preactivation"}
AFTER = {"ordering": "bn_after_add"}
RELU_ONLY = {"ordering": "relu_only_preactivation"}


def cell(depth: int, errors: Sequence[float], *, examples: str | None = "same", **fields: Any) -> list[TrialResult]:
    """Trainings with about these errors; without outcomes where the examples have no name."""
    return [
        make_result(
            seed=seed,
            depth=depth,
            error=error,
            outcomes=make_outcomes(error, seed=seed, count=400, examples=examples) if examples else None,
            **fields,
        )
        for seed, error in enumerate(errors)
    ]


RESULTS = [
    *(*cell(32, [0.2, 0.21, 0.2]), *cell(32, [0.1, 0.11, 0.1], examples="other", **BETTER)),
    *(*cell(38, [0.2, 0.21, 0.2], examples=None), *cell(38, [0.1, 0.11, 0.1], examples=None, **BETTER)),
    *(*cell(44, [0.2, 0.21]), *cell(44, [0.1, 0.11, 0.1], **BETTER)),
    *(*cell(50, [0.89, 0.9, 0.9]), *cell(50, [0.9, 0.88, 0.9], **BETTER)),
    *(*cell(56, [0.2]), *cell(56, [0.1], **AFTER)),
    *(*cell(62, [0.1, 0.14, 0.12]), *cell(62, [0.13, 0.1, 0.12], **RELU_ONLY)),
]
"""One thing is wrong at each depth."""
SENTENCES = {
    "H15": (
        "the test sets differ: compared without pairing by example",
        "not every training has the outcomes of its test examples",
        "the cells have unequal numbers of trainings: 3, 2",
        "no network has learned (its error is above half of that of guessing): this setting cannot decide",
    ),
    "H11": ("one seed: ",),
    "H14": ("too wide to show it within 0.50 points",),
}


def test_it_is_said_where_claims_are_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump({"name": "bad", "axes": {"seed": [0, 1, 2]}}))
    tracker = MemoryTracker()
    tracker.start_sweep(load_sweep(path), trials=[result.spec for result in RESULTS], command="none")
    for result in RESULTS:
        tracker.start_trial(result.spec)
        tracker.finish_trial(result, weights={}, figures={})
    tracker.end_sweep("finished")
    monkeypatch.setattr("resablate.tracking.open_tracker", lambda uri=None: tracker)
    shell = Shell(tmp_path, monkeypatch, capsys)
    rows = {row["claim"]: row for row in json.loads(shell("claims", "bad", "--json").out)}
    table, page = shell("claims", "bad").out, Path(shell("report", "bad").out.strip())
    pages = {
        file: html.unescape(file.read_text(encoding="utf-8")).replace("\\", "") for file in page.parent.glob("index.*")
    }
    assert len(pages) == 2
    for claim, sentences in SENTENCES.items():
        said = [*rows[claim]["notes"], rows[claim]["what_would_decide"]]
        for sentence in sentences:
            assert any(sentence in text for text in said), said
            assert all(word in table for word in sentence.split()), "folded into a column"
            assert all(sentence in text for text in pages.values()), sentence
