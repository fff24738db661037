"""What a search shows: its history, what mattered, and where a strength is good."""

import math
import random
from typing import Any

import pytest

from resablate.figures import (
    FIGURES,
    draw_files,
    errors,
    optimization_history,
    parameter_importance,
    regularizer_strength,
)
from resablate.figures.interval_tables import error_table
from resablate.figures.tables import replicates
from resablate.result import TrialResult
from resablate.sweep import SweepSpec, parse_sweep
from tests.factories import make_history, make_result

STRENGTHS = {"low": 1e-4, "high": 1, "log": True}
OF_A_SEARCH = [name for name, picture in FIGURES.items() if picture.search_data]


def make_sweep(axes: dict[str, Any] | None = None, **search: Any) -> SweepSpec:
    content = {"method": "tpe", "trials": 9, **search}
    base = {"regularizer": "orthogonal_penalty"}
    return parse_sweep(
        {"name": "x", "base": base, "axes": axes or {"regularizer.strength": STRENGTHS}, "search": content}
    )


def ended(val_error: float, *, strength: float = 1.0, **fields: Any) -> TrialResult:
    result = make_result(regularizer={"name": "orthogonal_penalty", "strength": strength}, **fields)
    return result.model_copy(update={"history": make_history([1.0, 0.5], val_error=val_error)})


def test_the_history_is_in_the_order_of_the_points_with_the_best_so_far() -> None:
    results = [
        ended(0.3, strength=0.5),
        ended(0.2, strength=0.1, status="pruned"),
        ended(0.1, strength=0.2),
        ended(0.1, strength=0.9, status="diverged"),
        ended(0.2, strength=0.3, shortcut="conv1x1"),
        ended(0.2, strength=0.4, status="failed"),
    ]
    drawn = optimization_history.search_data(results, make_sweep())
    assert drawn is not None
    [progress] = drawn
    assert progress.ended == ((1, 0.3, "identity"), (3, 0.1, "identity"), (4, 1.0, "identity"), (5, 0.2, "conv1x1"))
    assert progress.best == (0.3, 0.3, 0.1, 0.1, 0.1, 0.1)
    assert progress.without == (2, 6)


def test_before_the_first_number_there_is_no_best() -> None:
    results = [ended(0.2, strength=0.1, status="diverged"), ended(0.3, strength=0.5)]
    drawn = optimization_history.search_data(results, make_sweep(minimize="val_loss"))
    assert drawn is not None
    assert math.isnan(drawn[0].best[0])
    assert drawn[0].best[1] == 0.5
    assert optimization_history.search_data([ended(0.1, status="failed")], make_sweep()) is None


def test_several_objectives_and_seeds() -> None:
    results = [ended(error, strength=v, seed=s) for v in (0.1, 0.2) for s, error in ((4, v), (5, v + 0.2))]
    sweep = make_sweep(minimize=["val_error", "val_loss"], seeds=[4, 5])
    drawn = optimization_history.search_data(results, sweep)
    assert drawn is not None
    assert [progress.name for progress in drawn] == ["val_error", "val_loss"]
    assert [value for _, value, _ in drawn[0].ended] == pytest.approx([0.2, 0.3]), "a point is the mean of its seeds"
    assert [value for _, value, _ in drawn[1].ended] == [0.5, 0.5]


def test_importance_is_of_the_points_that_ran_to_their_end() -> None:
    axes = {"regularizer.strength": STRENGTHS, "optimizer.momentum": {"low": 0.0, "high": 0.9}}
    draw = random.Random(0)
    results = [
        ended(
            0.1 + abs(math.log10(strength) + 2) / 8,
            strength=strength,
            fields={"optimizer.momentum": draw.uniform(0, 0.9)},
        )
        for strength in (10 ** draw.uniform(-4, 0) for _ in range(40))
    ]
    noise = [
        ended(draw.random(), strength=0.5, fields={"optimizer.momentum": 0.001 * n}, status="pruned") for n in range(40)
    ]
    shares = parameter_importance.search_data([*noise, *results], make_sweep(axes))
    assert shares is not None
    assert list(shares["val_error"]) == ["regularizer.strength", "optimizer.momentum"]
    assert shares["val_error"]["regularizer.strength"] > 0.8
    assert parameter_importance.search_data(results[:5], make_sweep(axes)) is None


def test_the_best_interval_holds_what_cannot_be_told_from_the_best() -> None:
    """A valley at 0.01 with walls far above the noise: strengths 10**-4 to 1 in steps of a tenth of a decade."""
    noise = random.Random(1)
    exponents = [-4 + 0.1 * n for n in range(41)]
    results = [
        ended(0.05 + 0.1 * max(0.0, abs(e + 2) - 0.5) + noise.uniform(-0.005, 0.005), strength=10**e, error=0.9)
        for e in exponents
    ]
    noise.shuffle(results)
    drawn = regularizer_strength.search_data(results, make_sweep())
    assert drawn is not None
    [tried], [curve] = drawn.trials, drawn.curves
    assert tried.best is not None
    low, high = (math.log10(strength) for strength in tried.best)
    assert -2.8 < low < -2.2
    assert -1.8 < high < -1.2
    assert len(tried.points) == len(curve.x) == 41
    middle = [error for strength, error in tried.points if 10**-2.25 < strength < 10**-1.75]
    assert len(middle) == 5
    assert curve.mean[20] == pytest.approx(sum(middle) / 5)


def test_noise_alone_has_no_best_strength() -> None:
    noise = random.Random(2)
    results = [ended(noise.uniform(0.1, 0.2), strength=10 ** (-4 + 0.1 * n), error=0.1 * (n % 2)) for n in range(41)]
    drawn = regularizer_strength.search_data(results, make_sweep())
    assert drawn is not None
    assert drawn.trials[0].best is not None
    low, high = drawn.trials[0].best
    assert high / low > 100


def test_replicates_at_one_strength_are_one_point_of_the_line() -> None:
    results = [ended(0.1 * n + 0.05 * seed, strength=0.1 * n, seed=seed) for n in range(1, 8) for seed in (0, 1)]
    drawn = regularizer_strength.search_data(results, make_sweep(seeds=[0, 1]))
    assert drawn is not None
    assert len(drawn.curves[0].x) == 7
    assert len(drawn.trials[0].points) == 14
    few = regularizer_strength.search_data(results[:8], make_sweep(seeds=[0, 1]))
    assert few is not None
    assert few.trials[0].best is None


def test_trainings_that_replicate_the_winner_are_no_trials_of_the_search() -> None:
    results = [ended(0.1 * n, strength=0.1 * n, seed=0) for n in range(1, 8)]
    new = [ended(0.9, strength=0.1, seed=seed) for seed in (1, 2)]
    sweep = make_sweep(replicate=2)
    assert regularizer_strength.search_data([*results, *new], sweep) == regularizer_strength.search_data(results, sweep)


def test_what_a_search_has_chosen_by_is_in_no_mean_with_what_replicates_it() -> None:
    """The winner errs in 10 % with the seeds by which it was chosen, and in 20 % with others."""
    searched = [ended(0.1 * n, strength=0.1 * n, error=0.1 * n, seed=0) for n in range(1, 4)]
    new = [ended(0.1, strength=0.1, error=error, seed=seed) for seed, error in ((1, 0.19), (2, 0.21))]
    sweep = make_sweep(replicate=2)
    groups = replicates([*searched, *new], axes=sweep.swept, new_seeds=sweep.new_seeds)
    table = error_table(groups, published=lambda _: None)
    names = list(table.columns)
    told = {(row[names.index("regularizer.strength")], row[names.index("seeds_of")]): row for row in table.rows}
    assert told[0.1, "search"][names.index("mean_error")] == pytest.approx(0.1)
    assert told[0.1, "replication"][names.index("mean_error")] == pytest.approx(0.2)
    drawn = errors.search_data([*searched, *new], sweep)
    assert drawn is not None
    rows = {row.series.label: row.errors for row in drawn.rows}
    assert rows["identity (regularizer.strength=0.1)"] == pytest.approx((10,))
    assert rows["identity strength 0.1, new seeds"] == pytest.approx((19, 21))


@pytest.mark.parametrize("name", OF_A_SEARCH)
def test_they_are_drawn_for_a_search_alone(name: str) -> None:
    draw = random.Random(3)
    axes = {
        "regularizer.strength": STRENGTHS,
        "shortcut": ["identity", "conv1x1"],
        "shortcut.batch_norm": [True, False],
    }
    results = [
        ended(draw.random(), error=draw.random(), strength=draw.uniform(0.01, 1), shortcut=shortcut)
        for shortcut in ("identity", "conv1x1") * 8
    ] + [ended(0.5, strength=0.7, status="pruned"), ended(0.5, strength=0.8, status="diverged")]
    assert draw_files(name, results, formats=["png"], sweep=make_sweep(axes))["png"].startswith(b"\x89PNG")
    assert draw_files(name, results, formats=["png"], sweep=make_sweep(axes, method="random"))
    alone = draw_files(name, results, formats=["png"], sweep=None)
    assert bool(alone) == (name in ("regularizer_strength", "errors"))
    assert draw_files(name, [ended(0.1, status="failed")], formats=["png"], sweep=make_sweep(axes)) == {}
