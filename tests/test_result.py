import json
import math

import pytest
from pydantic import ValidationError

from resablate.component import Component
from resablate.measurement import AnalysisResult, EpochMetrics, FailedMeasurement
from resablate.question import TEST, Question
from resablate.result import TrialResult
from resablate.spec import TrainSpec
from tests.factories import make_lesion, make_measurement, make_path_gradient, make_result, make_test


def test_a_result_survives_json() -> None:
    result = make_result(
        shortcut={"name": "exclusive_gate", "bias": -3.5},
        analyses={"lesion": make_lesion([0.1, 0.2], baseline=0.05), "path_gradient": make_path_gradient([1, 0.5])},
        analysis_errors={"other": "ValueError: ü\n'"},
    )
    again = TrialResult.from_json(result.to_json())
    assert again == result
    assert isinstance(again.history[0], EpochMetrics)
    assert isinstance(again.analyses["lesion"], AnalysisResult)
    assert again.key == result.key == result.spec.key
    assert again.spec.shortcut.defaults == result.spec.shortcut.defaults
    assert again.measured == result.measured
    assert again.unmeasured == {Question(Component("other")).id}


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
    result = make_result(analyses={"lesion": lesion}, analyses_by_epoch={1: {"lesion": lesion}})
    brief = result.without_tables()
    assert brief.analyses["lesion"].summary == lesion.summary
    assert (brief.analyses["lesion"].table, brief.analyses_by_epoch) == ({}, {})
    assert (brief.spec, brief.history, brief.test_error) == (result.spec, result.history, result.test_error)
    assert result.analyses["lesion"].table == lesion.table, "the result itself is as it was"
    assert TrialResult.from_json(brief.to_json()) == brief


def test_the_test_is_a_measurement_and_its_numbers_have_names() -> None:
    result = make_result(error=0.25)
    assert [(m.question.analysis.name, m.question.epoch) for m in result.measurements] == [(TEST, None)]
    assert (result.test_error, result.test_loss) == (0.25, 0.75)


def test_measurements_are_told_by_analysis_and_epoch() -> None:
    lesions = {epoch: make_lesion([0.2], baseline=epoch / 100) for epoch in (3, 0, 9)}
    early = {epoch: {"lesion": lesion} for epoch, lesion in lesions.items() if epoch != 9}
    result = make_result(analyses={"lesion": lesions[9]}, analyses_by_epoch=early)
    assert result.analyses["lesion"] is lesions[9]
    assert list(result.analyses_by_epoch) == [0, 3]
    assert result.analyses_by_epoch[3]["lesion"] is lesions[3]


def test_other_arguments_of_an_analysis_go_by_a_longer_name() -> None:
    result = make_result(analyses={"lesion": make_lesion([0.2], baseline=0.1)})
    more = make_measurement("lesion", make_lesion([0.3], baseline=0.1), examples=50)
    both = result.with_measurements([more])
    assert list(both.analyses) == [TEST, "lesion", "lesion examples 50"]
    assert both.analyses["lesion examples 50"] is more.result
    assert both.in_order_of([more.question]).analyses["lesion"] is more.result


def test_a_new_answer_takes_the_place_of_the_old_one_and_a_failure_does_not() -> None:
    result = make_result(analyses={"lesion": make_lesion([0.2], baseline=0.1)}, analysis_errors={"reorder": "no"})
    again = make_measurement("lesion", make_lesion([0.3], baseline=0.1))
    failed = [
        FailedMeasurement(question=Question(Component(name)), reason="later") for name in ("lesion", "reorder", "odd")
    ]
    both = result.with_measurements([again], failed)
    assert [m.question for m in both.measurements] == [m.question for m in result.measurements]
    assert both.analyses["lesion"] is again.result
    assert both.analysis_errors == {"reorder": "later", "odd": "later"}
    assert both.with_measurements([make_measurement("odd", make_test(0.1))]).analysis_errors == {"reorder": "later"}
