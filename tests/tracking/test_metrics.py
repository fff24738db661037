import math
import re

import pytest

from resablate.measurement import AnalysisResult
from resablate.tracking.metrics import MetricPoint, epoch_points, final_points, metric_group, new_points
from tests.factories import make_history, make_lesion, make_measurement, make_result, without_validation


def test_an_epoch_is_seven_numbers_at_its_step() -> None:
    [metrics] = make_history([0.5])
    points = epoch_points(metrics)
    assert {point.name for point in points} == {
        "train/loss",
        "train/error",
        "val/error",
        "val/loss",
        "learning_rate",
        "epoch",
        "epoch_seconds",
    }
    assert {point.step for point in points} == {1}


def test_what_holds_no_images_out_logs_no_validation() -> None:
    result = without_validation(make_result(losses=[0.5]))
    names = [point.name for point in (*epoch_points(result.history[0]), *final_points(result))]
    assert not [name for name in names if name.startswith("val")]
    assert {"train/loss", "train/error", "test_error"} <= set(names)


def test_a_curve_is_plotted_against_its_axis() -> None:
    measured = AnalysisResult(
        summary={"worst": math.inf},
        table={"block": [2, 5.0], "error": [0.1, math.nan], "unplotted": [1, 2]},
        units=dict.fromkeys(["worst", "block", "error", "unplotted"], "1"),
        axes={"error": "block"},
    )
    points = [p for p in final_points(make_result(analyses={"lesion": measured})) if p.name.startswith("lesion/")]
    assert points[1] == MetricPoint("lesion/error", 0.1, 2)
    assert [(p.name, p.step) for p in points] == [
        ("lesion/worst", 0),
        ("lesion/error", 2),
        ("lesion/error", 5),
    ]
    assert math.isnan(points[0].value)
    assert math.isnan(points[2].value)


def test_the_last_epoch_gives_the_validation_error() -> None:
    numbers = {point.name: point.value for point in final_points(make_result(error=0.2))}
    assert numbers == {
        "test/error": 0.2,
        "test/loss": pytest.approx(0.6),
        "test_error": 0.2,
        "test_loss": pytest.approx(0.6),
        "parameter_count": 100_000,
        "wall_seconds": 60,
        "pack_size": 1,
        "val_error": 0.1,
    }
    assert "val_error" not in {point.name for point in final_points(make_result(losses=[]))}


def test_an_axis_of_fractions_is_refused() -> None:
    measured = AnalysisResult(summary={}, table={"x": [0.5], "y": [1]}, units={"x": "1", "y": "1"}, axes={"y": "x"})
    with pytest.raises(ValueError, match=r"analysis 'mine': axis 'x' must hold whole numbers, got 0\.5"):
        final_points(make_result(analyses={"mine": measured}))


def test_what_followed_training_is_a_curve_over_epochs_that_ends_with_the_trained_network() -> None:
    early, late = make_lesion([0.8], baseline=0.7), make_lesion([0.2], baseline=0.1)
    result = make_result(losses=[1.0, 0.5], analyses={"lesion": late})
    followed = make_result(losses=[1.0, 0.5], analyses={"lesion": late}, analyses_by_epoch={0: {"lesion": early}})
    points = final_points(followed)
    assert sorted((p.step, p.value) for p in points if p.name == "lesion/baseline_error") == [(0, 0.7), (2, 0.1)]
    assert [p.value for p in points if p.name == "lesion/error"] == [0.2]
    assert [p.value for p in points if p.name == "lesion/after_epoch_0/error"] == [0.8]
    assert {p.step for p in final_points(result) if p.name == "lesion/baseline_error"} == {0}


def test_an_analysis_with_other_arguments_is_a_group_of_its_own() -> None:
    lesion = make_lesion([0.2], baseline=0.1)
    early = make_measurement("lesion", lesion, epoch=1, examples=2000)
    result = make_result(analyses={"lesion": lesion}).with_measurements(
        [early, make_measurement("lesion", lesion, examples=2000)]
    )
    steps = {(p.name, p.step) for p in final_points(result) if p.name.endswith("baseline_error")}
    assert steps == {
        ("lesion/baseline_error", 0),
        ("lesion examples 2000/baseline_error", 1),
        ("lesion examples 2000/baseline_error", 3),
    }


@pytest.mark.parametrize("value", ["a+b", "<script>", "x" * 400, "50 %", "a:b", "\n"])
def test_a_name_that_mlflow_does_not_take_is_changed_and_stays_distinct(value: str) -> None:
    question = make_measurement("mine", make_lesion([0.2], baseline=0.1), kind=value).question
    other = make_measurement("mine", make_lesion([0.2], baseline=0.1), kind=value + "!").question
    group = metric_group(question)
    assert re.fullmatch(r"[\w.\- ]{1,200}", group)
    assert group.endswith(question.id)
    assert group != metric_group(other)


def test_only_what_is_new_is_added() -> None:
    before = make_result(analyses={"lesion": make_lesion([0.2, 0.3], baseline=0.1)})
    after = make_result(analyses={"lesion": make_lesion([0.2, 0.4], baseline=0.1)})
    assert new_points(before, before=before) == []
    assert {(p.name, p.step) for p in new_points(after, before=before)} >= {("lesion/error", 1), ("lesion/loss", 1)}
    assert ("lesion/error", 0) not in {(p.name, p.step) for p in new_points(after, before=before)}


def test_a_test_that_is_made_later_gives_the_headline_numbers() -> None:
    after = make_result(error=0.2)
    before = after.model_copy(update={"measurements": ()})
    assert {p.name for p in new_points(after, before=before)} == {"test_error", "test_loss", "test/error", "test/loss"}
