"""Every sweep in the repository can be run, and its header tells the truth."""

import re
from pathlib import Path

import pytest

from resablate.plan import load_plan

SWEEPS = sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml"))


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_the_header_counts_the_trials(path: Path) -> None:
    plan = load_plan(path)
    stated = re.search(r"(\d[\d,]*) trials\b", path.read_text().splitlines()[0])
    assert stated, "the first comment line ends in '... N trials'"
    assert plan.trial_count == int(stated[1].replace(",", ""))
    assert plan.sweep.name == path.stem
    assert plan.sweep.question.endswith("?")
