"""Points of a sweep and what came of them: replicates together, the best first."""

from collections.abc import Sequence
from typing import Any

import pytest

from resablate.component import Component
from resablate.plan import plan_sweep
from resablate.result import TrialResult
from resablate.searches.outcomes import Outcome, best_outcomes, outcomes
from resablate.sweep import SweepSpec, parse_sweep
from tests.searches.studies import end


def make_sweep(axes: dict[str, Any], **search: Any) -> SweepSpec:
    return parse_sweep({"name": "x", "axes": axes, "search": search})


SEEDED = make_sweep({"depth": [8, 14, 20]}, seeds=[0, 1])


def ended(sweep: SweepSpec, errors: Sequence[float]) -> list[TrialResult]:
    """The trials of the sweep with these validation errors."""
    return [end(spec, error) for spec, error in zip(plan_sweep(sweep).trials, errors, strict=True)]


def depths(found: Sequence[Outcome]) -> list[int]:
    return [outcome.point["depth"] for outcome in found]


def test_replicates_are_one_point_and_the_mean_counts() -> None:
    """Depth 14 has the best single trial and the worst mean."""
    results = ended(SEEDED, [0.3, 0.3, 0.1, 0.7, 0.2, 0.3])
    found = outcomes(results, SEEDED)
    assert depths(found) == [8, 14, 20]
    assert [len(outcome.results) for outcome in found] == [2, 2, 2]
    assert [outcome.values for outcome in found] == [pytest.approx((mean,)) for mean in (0.3, 0.4, 0.25)]
    assert depths(best_outcomes(results, SEEDED, 2)) == [20, 8]
    assert depths(best_outcomes(results, SEEDED, 9)) == [20, 8, 14]


def test_results_may_come_in_any_order() -> None:
    results = ended(SEEDED, [0.3, 0.3, 0.1, 0.7, 0.2, 0.3])
    found = outcomes(results[::-1], SEEDED)
    assert depths(found) == [20, 14, 8]
    assert [[result.spec.seed for result in outcome.results] for outcome in found] == [[0, 1]] * 3


def test_without_seeds_every_result_is_a_point() -> None:
    sweep = make_sweep({"depth": [8, 14], "seed": [0, 1]})
    results = ended(sweep, [0.3, 0.2, 0.1, 0.7])
    assert [outcome.point for outcome in outcomes(results, sweep)] == list(sweep.points())
    assert [outcome.results for outcome in best_outcomes(results, sweep, 1)] == [(results[2],)]


def test_a_point_without_all_its_seeds_has_no_mean_yet() -> None:
    results = ended(SEEDED, [0.3, 0.3, 0.1, 0.7, 0.2, 0.3])
    assert outcomes(results[:3], SEEDED)[1].values is None
    assert depths(best_outcomes(results[:3], SEEDED, 9)) == [8]


@pytest.mark.parametrize("status", ["pruned", "failed"])
def test_a_point_of_which_a_trial_was_pruned_or_failed_has_no_values(status: Any) -> None:
    results = ended(SEEDED, [0.3, 0.3, 0.1, 0.7, 0.2, 0.3])
    results[0] = end(results[0].spec, 0.0, status=status)
    assert outcomes(results, SEEDED)[0].values is None
    assert depths(best_outcomes(results, SEEDED, 9)) == [20, 14]


def test_networks_that_all_diverged_are_none_of_the_best() -> None:
    results = ended(SEEDED, [0.3, 0.3, 0.1, 0.7, 0.2, 0.3])
    for place in (0, 2, 3):
        results[place] = end(results[place].spec, status="diverged")
    assert outcomes(results, SEEDED)[1].values == (1.0,)
    assert depths(best_outcomes(results, SEEDED, 9)) == [20, 8], "one of depth 8 has finished"


def test_the_first_of_several_objectives_ranks() -> None:
    sweep = make_sweep({"depth": [8, 14]}, method="nsga2", trials=4, minimize=["val_error", "val_loss"])
    specs = plan_sweep(sweep).samples
    results = [end(spec, 1 / spec.depth) for spec in dict.fromkeys(specs)]
    best = best_outcomes(results, sweep, 1)[0]
    assert best.point == {"depth": 14}
    assert best.values == pytest.approx((1 / 14, 1.0))


def test_components_and_cases_of_points() -> None:
    sweep = parse_sweep(
        {"name": "x", "axes": {"shortcut": ["identity", "none"]}, "cases": [{"depth": 8}, {"depth": 14, "width": 8}]}
    )
    results = ended(sweep, [0.4, 0.3, 0.2, 0.1])
    assert best_outcomes(results, sweep, 1)[0].point == {"case": 1, "shortcut": Component("none")}
