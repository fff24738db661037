"""Words of the command line as fields and questions."""

from typing import Any

import pytest

from resablate.commands.assignments import parse_assignments, split_questions
from resablate.errors import SpecError
from resablate.sweep import parse_sweep


def split(*words: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    return split_questions(parse_assignments(words, place="trial"))


@pytest.mark.parametrize(
    ("words", "base", "analyses"),
    [
        ([], {}, None),
        (["depth=20"], {"depth": 20}, None),
        (
            ["shortcut=exclusive_gate", "shortcut.bias=-6"],
            {"shortcut": "exclusive_gate", "shortcut.bias": -6},
            None,
        ),
        (["analyses=lesion"], {}, {"lesion": {}}),
        (["analyses=lesion, spectrum"], {}, {"lesion": {}, "spectrum": {}}),
        (["analyses=[lesion,spectrum]"], {}, {"lesion": {}, "spectrum": {}}),
        (["analyses=[]"], {}, {}),
        (["analyses="], {}, None),
        (["lesion.examples=50"], {}, {"lesion": {"examples": 50}}),
        (
            ["analyses=spectrum", "lesion.examples=50", "lesion.crop=32"],
            {},
            {"spectrum": {}, "lesion": {"examples": 50, "crop": 32}},
        ),
        (["spectrum.epochs=[0,2]"], {}, {"spectrum": {"epochs": [0, 2]}}),
        (["schedule.milestones=[0.5]"], {"schedule.milestones": [0.5]}, None),
        (["detph=20"], {"detph": 20}, None),
    ],
)
def test_words_are_fields_or_questions(words: list[str], base: dict[str, Any], analyses: dict[str, Any] | None) -> None:
    assert split(*words) == (base, analyses)


def test_the_words_of_a_trial_are_a_sweep_of_one_point() -> None:
    base, analyses = split(
        "shortcut=exclusive_gate", "shortcut.bias=-6", "analyses=lesion,spectrum", "lesion.examples=50"
    )
    sweep = parse_sweep({"name": "trial", "base": base, "analyses": analyses})
    assert str(sweep.trial({}).shortcut) == "exclusive_gate(bias=-6)"
    assert [str(question) for question in sweep.questions] == ["test", "lesion(examples=50)", "spectrum"]


def test_what_is_no_assignment_is_told_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        split("depth", "=3", "seed=[1", "width=1", "width=2")
    assert str(caught.value).startswith("trial: 4 problems\n")
