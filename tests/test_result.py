import json
import math

import pytest
from pydantic import ValidationError

from resablate.measurement import AnalysisResult, EpochMetrics
from resablate.result import TrialResult
from resablate.spec import TrainSpec
from tests.factories import make_lesion, make_path_gradient, make_result


def test_a_result_survives_json() -> None:
    result = make_result(
        shortcut="exclusive_gate",
        shortcut_args={"bias": -3.5},
        analyses={"lesion": make_lesion([0.1, 0.2], baseline=0.05), "path_gradient": make_path_gradient([1, 0.5])},
        analysis_errors={"other": "ValueError: ü\n'"},
    )
    again = TrialResult.from_json(result.to_json())
    assert again == result
    assert isinstance(again.history[0], EpochMetrics)
    assert isinstance(again.analyses["lesion"], AnalysisResult)
    assert again.key == result.key == result.spec.key


def test_numbers_that_are_not_finite_survive_json() -> None:
    odd = [math.nan, math.inf, -math.inf, 0.1]
    units = dict.fromkeys(["x", "s", "t"], "1")
    analysis = AnalysisResult(summary={"s": math.inf, "t": math.nan}, table={"x": odd}, units=units)
    result = make_result(status="diverged", losses=odd, analyses={"odd": analysis}, wall_seconds=0.1)
    text = result.to_json()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    again = TrialResult.from_json(text)
    assert [row.train_loss for row in again.history[1:]] == odd[1:]
    assert math.isnan(again.history[0].train_loss)
    assert math.isnan(again.test_error)
    assert list(again.analyses["odd"].table["x"])[1:] == odd[1:]
    assert again.analyses["odd"].summary["s"] == math.inf
    assert again.to_json() == text


def test_a_float_survives_json_to_the_last_bit() -> None:
    values = [1 / 3, 1e-310, 2**53 + 1.0, 0.1 + 0.2]
    again = TrialResult.from_json(make_result(losses=values).to_json())
    assert [row.train_loss for row in again.history] == values


def test_a_status_is_one_of_four() -> None:
    with pytest.raises(ValidationError, match="'finished', 'diverged', 'pruned' or 'failed'"):
        TrialResult.model_validate({"spec": TrainSpec(), "status": "done"})


def test_what_was_not_measured_is_nan_and_not_zero() -> None:
    result = TrialResult(spec=TrainSpec(), status="failed")
    assert math.isnan(result.test_error)
    assert math.isnan(result.test_loss)
    assert result.history == ()


def test_an_unknown_field_is_refused() -> None:
    text = make_result().to_json().replace('"reason"', '"raisin"')
    with pytest.raises(ValidationError, match="raisin"):
        TrialResult.from_json(text)


def test_without_tables_keeps_what_a_search_goes_by() -> None:
    lesion = make_lesion([0.2, 0.4], baseline=0.1)
    result = make_result(analyses={"lesion": lesion}).model_copy(update={"analyses_by_epoch": {1: {"lesion": lesion}}})
    brief = result.without_tables()
    assert brief.analyses["lesion"].summary == lesion.summary
    assert (brief.analyses["lesion"].table, brief.analyses_by_epoch) == ({}, {})
    assert (brief.spec, brief.history, brief.test_error) == (result.spec, result.history, result.test_error)
    assert result.analyses["lesion"].table == lesion.table, "the result itself is as it was"
    assert TrialResult.from_json(brief.to_json()) == brief
