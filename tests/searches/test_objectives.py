"""What a search minimizes, read off results."""

import math
from typing import Any

import pytest

from resablate.analyses import ANALYSES
from resablate.component import Component
from resablate.errors import ResablateError
from resablate.question import AskedAnalysis
from resablate.result import TrialResult
from resablate.searches import objectives
from resablate.searches.objectives import is_measured, objective, objective_names, objective_note, objective_problem
from tests.factories import make_lesion, make_measurement, make_path_gradient, make_result, without_validation

Asked = tuple[AskedAnalysis, ...]


def asking(*analyses: str | tuple[str, dict[str, Any]]) -> Asked:
    pairs = [(given, {}) if isinstance(given, str) else given for given in analyses]
    return tuple(AskedAnalysis(Component(name, arguments)) for name, arguments in pairs)


LESION = asking("test", "lesion")


def test_the_last_epoch_counts() -> None:
    result = make_result(losses=[3.0, 1.0, 2.0], error=0.5)
    assert objective(result, "val_loss", LESION) == 2.0
    assert objective(result, "val_error", LESION) == 0.1, "not the test error"


def test_nothing_is_invented_where_no_images_are_held_out() -> None:
    with pytest.raises(ResablateError, match="val_error: no images are held out"):
        objective(without_validation(make_result()), "val_error", LESION)


def test_a_number_of_an_analysis() -> None:
    result = make_result(analyses={"lesion": make_lesion([0.5, 0.25], baseline=0.125)})
    assert objective(result, "lesion/worst_error", LESION) == 0.5
    with pytest.raises(ResablateError, match=r"lesion/best: lesion gives no 'best', but baseline_error, mean_error"):
        objective(result, "lesion/best", LESION)
    with pytest.raises(ResablateError, match="path_gradient/x: path_gradient was not measured"):
        objective(result, "path_gradient/x", asking("path_gradient"))
    broken = make_result(analysis_errors={"lesion": "RuntimeError: no memory"})
    with pytest.raises(ResablateError, match="lesion/worst_error: RuntimeError: no memory"):
        objective(broken, "lesion/worst_error", LESION)
    strange = make_result(analyses={"lesion": make_lesion([math.nan], baseline=0.1)})
    with pytest.raises(ResablateError, match="lesion/worst_error: is not a number"):
        objective(strange, "lesion/worst_error", LESION)


def followed(*norms: tuple[float, dict[str, Any]]) -> TrialResult:
    """A result with these norms of gradients by the arguments with which they were measured, in this order."""
    answers = [make_measurement("path_gradient", make_path_gradient([norm]), **arguments) for norm, arguments in norms]
    return make_result().with_measurements(answers)


SEVERAL = asking("test", ("path_gradient", {"examples": 50}), ("path_gradient", {"examples": 20, "samples": 4}))


def test_several_sets_of_arguments_are_told_apart_whatever_was_measured_first() -> None:
    result = followed((0.9, {"examples": 7}), (0.2, {"examples": 20}), (0.5, {"examples": 50}))
    first, other = "path_gradient/gradient_norm", "path_gradient examples 20/gradient_norm"
    assert objective(result, first, SEVERAL) == 0.5, "that of the arguments that are asked first"
    assert objective(result, other, SEVERAL) == 0.2, "a default that is written is one"
    assert list(objective_names(SEVERAL)) == ["path_gradient", "path_gradient examples 20"]
    for name in (first, other):
        assert objective_problem(name, SEVERAL) is None
    assert objective_problem("path_gradient examples 7/gradient_norm", SEVERAL) == (
        "path_gradient examples 7/gradient_norm: the sweep does not ask 'path_gradient examples 7' (it asks"
        " path_gradient = path_gradient(examples=50), path_gradient examples 20 = path_gradient(examples=20))"
    )


def test_the_message_says_which_arguments_are_meant() -> None:
    assert objective_note("path_gradient/gradient_norm", SEVERAL) == (
        "search.minimize: path_gradient/gradient_norm is that of path_gradient(examples=50), which is asked first"
        " (there is also path_gradient examples 20/gradient_norm)"
    )
    for name in ("val_error", "path_gradient examples 20/gradient_norm"):
        assert objective_note(name, SEVERAL) is None
    assert objective_note("lesion/worst_error", LESION) is None


def test_a_question_in_the_form_in_which_the_trial_can_answer_it() -> None:
    """More examples than there are in the test set are all of them."""
    result = make_result(analyses={"lesion": make_lesion([0.25], baseline=0.0)})
    assert objective(result, "lesion/worst_error", asking(("lesion", {"examples": 1_000_000}))) == 0.25


def test_whether_an_objective_was_measured() -> None:
    result = followed((0.5, {"examples": 50}))
    assert is_measured(result, ["val_error"], SEVERAL)
    assert is_measured(result, ["val_error", "path_gradient/gradient_norm"], SEVERAL)
    assert not is_measured(result, ["path_gradient examples 20/gradient_norm"], SEVERAL)
    assert is_measured(make_result(analysis_errors={"lesion": "no memory"}), ["lesion/worst_error"], LESION)
    assert is_measured(make_result(status="diverged"), ["lesion/worst_error"], LESION), "there is nothing to measure"


def test_one_that_diverged_is_the_worst_there_is() -> None:
    diverged = make_result(status="diverged", losses=[2.0, math.nan])
    assert objective(diverged, "val_error", LESION) == 1.0
    assert objective(diverged, "val_loss", LESION) == math.inf
    assert objective(diverged, "lesion/mean_increase", LESION) == math.inf


@pytest.mark.parametrize("name", ["test_error", "test_loss", "test/error", "test/loss", "test crop 320/error"])
def test_the_test_set_is_no_objective(name: str) -> None:
    asked = asking("test", ("test", {"crop": 320}))
    assert f"{name} would choose by the test set" in str(objective_problem(name, asked))


@pytest.mark.parametrize("name", [name for name in ANALYSES if name != "test"])
def test_the_numbers_of_every_analysis_are_known_before_it_runs(name: str) -> None:
    numbers = objectives._numbers(name)
    if ANALYSES[name].examples == "test":
        assert numbers
        for number in numbers:
            assert "would choose by the test set" in str(objective_problem(f"{name}/{number}", asking(name)))
        return
    for number in numbers:
        assert objective_problem(f"{name}/{number}", asking(name)) is None
    if numbers:
        assert "gives no 'nothing'" in str(objective_problem(f"{name}/nothing", asking(name)))


@pytest.mark.parametrize(
    ("name", "some"),
    [
        ("lesion", {"baseline_error", "mean_error", "worst_error", "mean_increase"}),
        ("reorder", {"mean_error", "lowest_tau"}),  # needs two blocks that fit each other's place
        ("path_gradient", {"median_length"}),
    ],
)
def test_the_numbers_of_an_analysis(name: str, some: set[str]) -> None:
    assert some < set(objectives._numbers(name))
