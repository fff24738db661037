"""What can be asked at all, and what a trial can answer."""

from collections.abc import Mapping
from typing import Any

import pytest

from resablate.answerable import check_asked, questions_for, unanswerable
from resablate.check import check_trial
from resablate.component import Component
from resablate.errors import SpecError
from resablate.question import AskedAnalysis
from resablate.spec import TrainSpec
from resablate.sweep_parsing import parse_analyses


def ask(analyses: Mapping[str, Any]) -> tuple[AskedAnalysis, ...]:
    found: list[str] = []
    asked = parse_analyses(dict(analyses), found)
    assert not found
    return check_asked(asked)


def trial(**fields: Any) -> TrainSpec:
    return check_trial(TrainSpec.parse(fields))


def answered(analyses: Mapping[str, Any], **fields: Any) -> list[str]:
    return [str(question) for question in questions_for(trial(**fields), ask(analyses))]


def test_every_argument_is_filled_in() -> None:
    (asked,) = ask({"lesion": {"examples": 20.0}})
    assert asked.analysis.arguments == {"examples": 20}
    assert asked.analysis.defaults == {"arithmetic": "exact", "crop": None}


def test_what_is_asked_twice_is_asked_once() -> None:
    asked = check_asked([AskedAnalysis(Component("lesion")), AskedAnalysis(Component("lesion", {"examples": None}))])
    assert len(asked) == 1


def test_what_cannot_be_asked_is_told_at_once() -> None:
    wrong = [
        AskedAnalysis(Component("lesoin")),
        AskedAnalysis(Component("lesion", {"examples": 0, "exampls": 3})),
        AskedAnalysis(Component("test_time_rules"), (0,)),
        AskedAnalysis(Component("spectrum"), (0,)),
    ]
    with pytest.raises(SpecError) as caught:
        check_asked(wrong, place="analyze")
    assert [problem.partition("(")[0].strip() for problem in caught.value.problems] == [
        "analyze: unknown analysis 'lesoin'; did you mean 'lesion'?",
        "analyze: analysis 'lesion': examples must be greater than or equal to 1, got 0",
        "analyze: analysis 'lesion' takes examples, arithmetic, crop; got exampls=3; did you mean 'examples'?",
        "analyze.test_time_rules.epochs: test_time_rules is asked of the trained network alone",
    ]
    assert caught.value.valid_part == tuple(check_asked(wrong[3:]))


def test_a_crop_is_for_images_that_are_cut() -> None:
    assert answered({"test": {"crop": 320}, "lesion": {}}) == ["lesion"]
    assert answered({"test": {"crop": 320}, "lesion": {}}, dataset="image_folder") == ["test(crop=320)", "lesion"]


def test_the_crop_of_the_training_is_no_other_question() -> None:
    assert answered({"test": {"crop": 224}}, dataset="image_folder") == ["test"]
    small = {"name": "image_folder", "train_crop": 64}
    assert answered({"test": {"crop": 64}}, dataset=small) == ["test"]
    assert answered({"test": {"crop": 224}}, dataset=small) == ["test(crop=224)"]
    assert answered({"test": [{"crop": 224}, {}]}, dataset="image_folder") == ["test"], "and it is asked once"


@pytest.mark.parametrize("analysis", ["lesion", "multi_lesion", "reorder"])
def test_as_many_examples_as_there_are_are_all(analysis: str) -> None:
    assert answered({analysis: {"examples": 360}}) == [analysis]
    assert answered({analysis: {"examples": 10**6}}) == [analysis]
    assert answered({analysis: {"examples": 359}}) == [f"{analysis}(examples=359)"]
    assert answered({analysis: {"examples": 50_000}}, dataset="image_folder") == [f"{analysis}(examples=50000)"]


def test_training_examples_are_not_counted() -> None:
    assert answered({"norm_preservation": {"examples": 360}}) == ["norm_preservation(examples=360)"]


@pytest.mark.parametrize(
    ("fields", "epochs"),
    [({"epochs": 3}, [0, 1, 3]), ({"epochs": 12, "iterations": 30}, [0, 1, 3]), ({}, [0, 1, 3, 4])],
)
def test_an_epoch_after_the_last_is_not_asked_about(fields: dict[str, Any], epochs: list[int]) -> None:
    questions = questions_for(trial(**fields), ask({"spectrum": {"epochs": [0, 1, 3, 4]}}))
    assert [question.epoch for question in questions] == [*epochs, None]


def test_a_question_that_no_trial_can_answer() -> None:
    digits, folder = trial(epochs=3), trial(dataset="image_folder", epochs=5)
    asked = ask({"test": {"crop": 320}, "spectrum": {"epochs": [2, 4, 6]}})
    assert unanswerable([digits], asked) == [
        "analyses.test: no trial can answer crop=320: the images of digits have one size and are not cut",
        "analyses.spectrum.epochs: no trial has more than 3 epochs, so nothing is asked after 4, 6",
    ]
    assert unanswerable([digits, folder], asked) == [
        "analyses.spectrum.epochs: no trial has more than 5 epochs, so nothing is asked after 6"
    ]
    assert unanswerable([], asked) == []
