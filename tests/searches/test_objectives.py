"""What a search minimizes, read off results."""

import math

import pytest

from resablate.analyses import ANALYSES
from resablate.errors import ResablateError
from resablate.searches import objectives
from resablate.searches.objectives import objective, objective_problem
from tests.factories import make_lesion, make_result


def test_the_last_epoch_counts() -> None:
    result = make_result(losses=[3.0, 1.0, 2.0], error=0.5)
    assert objective(result, "val_loss") == 2.0
    assert objective(result, "val_error") == 0.1, "not the test error"


def test_a_number_of_an_analysis() -> None:
    result = make_result(analyses={"lesion": make_lesion([0.5, 0.25], baseline=0.125)})
    assert objective(result, "lesion/worst_error") == 0.5
    with pytest.raises(ResablateError, match=r"lesion/best: lesion gives no 'best', but baseline_error, mean_error"):
        objective(result, "lesion/best")
    with pytest.raises(ResablateError, match="path_gradient/x: path_gradient was not run"):
        objective(result, "path_gradient/x")
    broken = make_result(analysis_errors={"lesion": "RuntimeError: no memory"})
    with pytest.raises(ResablateError, match="lesion/worst_error: RuntimeError: no memory"):
        objective(broken, "lesion/worst_error")
    strange = make_result(analyses={"lesion": make_lesion([math.nan], baseline=0.1)})
    with pytest.raises(ResablateError, match="lesion/worst_error: is not a number"):
        objective(strange, "lesion/worst_error")


def test_one_that_diverged_is_the_worst_there_is() -> None:
    diverged = make_result(status="diverged", losses=[2.0, math.nan])
    assert objective(diverged, "val_error") == 1.0
    assert objective(diverged, "val_loss") == math.inf
    assert objective(diverged, "lesion/mean_increase") == math.inf


@pytest.mark.parametrize("name", ANALYSES)
def test_the_numbers_of_every_analysis_are_known_before_it_runs(name: str) -> None:
    numbers = objectives._numbers(name)
    for number in numbers:
        assert objective_problem(f"{name}/{number}", (name,)) is None
    if numbers:
        assert "gives no 'nothing'" in str(objective_problem(f"{name}/nothing", (name,)))


def test_the_numbers_of_a_lesion() -> None:
    numbers = objectives._numbers("lesion")
    assert {"baseline_error", "mean_error", "worst_error", "mean_increase"} < set(numbers)
