import pytest

from resablate.component import Component
from resablate.question import AskedAnalysis, Question, all_questions, analysis_name

LESION = Component("lesion", {"examples": 2000}, {"arithmetic": "exact"})


def test_a_question_in_words() -> None:
    assert str(Question(LESION)) == "lesion(examples=2000)"
    assert str(Question(LESION, 5)) == "lesion(examples=2000) after epoch 5"
    assert str(Question(Component("spectrum"), 0)) == "spectrum after epoch 0"


def test_a_name_for_charts_and_files() -> None:
    assert Question(Component("lesion")).name == "lesion"
    assert Question(LESION, 5).name == analysis_name(LESION) == "lesion examples 2000"
    assert analysis_name(Component("x", {"b": (1, 2), "a": "p/q", "c": None})) == "x a p q b 1 2 c null"


def test_equal_questions_have_one_id() -> None:
    assert Question(LESION).id == Question(Component("lesion", {"examples": 2000.0})).id
    assert len({Question(LESION), Question(Component("lesion", {"examples": 2000}))}) == 1
    different = [
        Question(LESION),
        Question(LESION, 0),
        Question(LESION, 5),
        Question(Component("lesion")),
        Question(Component("lesion", {"examples": 2000}, {}, "package 1.0 abc")),
    ]
    assert len({question.id for question in different}) == len(different)


def test_ids_are_as_they_were() -> None:
    """Answers are filed under them."""
    assert Question(Component("test")).id == "ed9ff3218f"
    assert Question(LESION).id == "2231db83ae"
    assert Question(Component("spectrum"), 0).id == "a91e1a81a1"


@pytest.mark.parametrize(("epochs", "moments"), [((), [None]), ((0,), [0, None]), ((0, 3, 5), [0, 3, 5, None])])
def test_the_end_is_always_asked_about_and_last(epochs: tuple[int, ...], moments: list[int | None]) -> None:
    assert [question.epoch for question in AskedAnalysis(LESION, epochs).questions()] == moments


def test_every_question_once() -> None:
    asked = [AskedAnalysis(LESION), AskedAnalysis(Component("test")), AskedAnalysis(LESION, (2,))]
    assert [str(question) for question in all_questions(asked)] == [
        "lesion(examples=2000)",
        "test",
        "lesion(examples=2000) after epoch 2",
    ]


def test_a_sweep_file_s_way_to_write_it() -> None:
    assert AskedAnalysis(LESION, (0, 2)).plain() == {"examples": 2000, "epochs": [0, 2]}
    assert AskedAnalysis(Component("x", {"a": (1, 2)})).plain() == {"a": [1, 2]}
    assert AskedAnalysis(Component("test")).plain() == {}
