"""Parameter importance against functions whose shares are known."""

import math

import pytest

from resablate.searches.importance import importances
from resablate.searches.random import draw
from resablate.sweep import SweepSpec, parse_sweep
from tests.searches.studies import AXES


def make_sweep() -> SweepSpec:
    return parse_sweep({"name": "x", "axes": dict(AXES), "search": {"method": "random", "trials": 200}})


def test_what_decides_alone_has_it_all() -> None:
    sweep = make_sweep()
    points = draw(sweep, 200)
    shares = importances(points, [math.log10(point["learning_rate"]) for point in points], sweep)
    assert next(iter(shares)) == "learning_rate"
    assert shares["learning_rate"] > 0.95
    assert sum(shares.values()) == pytest.approx(1)


def test_two_axes_share_by_their_variances() -> None:
    """A uniform number has variance 1/12 of its squared range, a fair choice 1/4: here 4/12 and 1/4 of 1."""
    sweep = make_sweep()
    points = draw(sweep, 400)
    values = [
        2 * (math.log10(point["learning_rate"]) / 4 + 1) + (point["shortcut"].name == "identity") for point in points
    ]
    shares = importances(points, values, sweep)
    assert shares["learning_rate"] == pytest.approx((4 / 12) / (4 / 12 + 1 / 4), abs=0.05)
    assert shares["batch_size"] < 0.03


@pytest.mark.slow
def test_cases_are_one_axis() -> None:
    cases = [{"network": "resnet", "depth": 20}, {"network": "vgg", "depth": 15}]
    sweep = parse_sweep({**make_sweep().model_dump(mode="json"), "cases": cases})
    points = draw(sweep, 200)
    shares = importances(points, [point["case"] + 0.1 * math.log10(point["learning_rate"]) for point in points], sweep)
    assert list(shares)[:2] == ["case", "learning_rate"]
    assert shares["case"] > 0.9  # variances 1/4 and 0.16/12


def test_nothing_to_say() -> None:
    sweep = make_sweep()
    points = draw(sweep, 20)
    assert importances(points[:7], [0.1 * n for n in range(7)], sweep) == {}
    assert importances(points, [0.5] * 20, sweep) == {}
    assert importances(points, [math.inf] * 15 + [0.1, 0.2, 0.3, 0.4, 0.5], sweep) == {}
