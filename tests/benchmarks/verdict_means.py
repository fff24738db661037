"""Simulated worlds of a sweep's own comparisons: means over settings, and the best of many points."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import ttest_ind

from resablate.statistics import Evidence, Sample, compare, compare_means, decide, holm_levels
from resablate.statistics.estimate import Array
from tests.benchmarks.verdict_worlds import HE_SD, Classifier, chunks, correlated, draw_of, hits, percent

MARGIN = 0.1
"""Of equivalence, in points."""
_UNEQUAL = (1.0, 1.0, 2.0, 3.0)
"""The spreads over seeds of neighboring settings, over the published one: they differ as depths do."""
_ONE_LARGE = (1.0, 1.0, 1.0, 10.0)
CORRELATION = 0.9
"""Over shared seeds, of a cell and its rival: that of regularized arms of one network."""


def sided(verdicts: Array) -> Array:
    """Whether each is one of the two sides."""
    return (verdicts == "supported") | (verdicts == "contradicted")


def _cells(
    generator: np.random.Generator, worlds: int, seeds: int, *, settings: int, kind: str = "normal", gap: float = 0.0
) -> list[Sample]:
    """One value of an axis in every setting: (worlds, seeds) each, settings of other levels and spreads."""
    draw = draw_of(kind, generator)
    return [
        Sample.of_numbers(
            5.0 * place + gap + HE_SD * _UNEQUAL[place % len(_UNEQUAL)] * draw((worlds, seeds)), seeds=range(seeds)
        )
        for place in range(settings)
    ]


def false_means(worlds: int, sizes: Sequence[int]) -> list[list[str]]:
    """Rows of false decisions: means over settings, of one value of an axis or of each of several, against the first.

    Args:
        worlds: in each cell.
        sizes: trainings of each cell of the sweep.
    """
    rows: list[list[str]] = []
    for values, settings in ((1, 2), (1, 8), (6, 8)):
        shares: list[str] = []
        for seeds in sizes:
            generator = np.random.default_rng([16, values, settings, seeds])
            false = [_false_in_sweep(generator, each, seeds, values, settings) for each in chunks(worlds, each=2_500)]
            shares.append(percent(float(np.concatenate(false).mean()), worlds))
        told = "a value" if values == 1 else f"each of {values} values"
        rows.append([f"{told} against the first, means over {settings} settings", *shares])
    rows.append(["the same of one, 4 settings, 1,000 examples", *_false_on_examples(worlds, sizes)])
    for told, spreads, settings, correlation in (
        ("means over 4 settings, one of ten times the spread", _ONE_LARGE, 4, 0.0),
        (f"means over 8 settings, the same seeds, correlation {CORRELATION}", _UNEQUAL, 8, CORRELATION),
    ):
        shares = []
        for seeds in sizes:
            generator = np.random.default_rng([23, settings, seeds])
            pair = _pairs(generator, worlds, seeds, settings=settings, spreads=spreads, correlation=correlation)
            shares.append(percent(float(sided(decide(compare_means(*pair, margin=MARGIN).evidence)).mean()), worlds))
        rows.append([f"a value against the first, {told}", *shares])
    return rows


def _pairs(
    generator: np.random.Generator,
    worlds: int,
    seeds: int,
    *,
    settings: int,
    spreads: Sequence[float],
    correlation: float,
    gap: float = 0.0,
) -> tuple[list[Sample], list[Sample]]:
    """A cell and its rival, which is worse by `gap`, in every setting, over the same seeds."""
    draw, pairs = draw_of("normal", generator), list[list[Sample]]()
    for place in range(settings):
        noise = correlated(draw, worlds, seeds, correlation)
        scale = HE_SD * spreads[place % len(spreads)]
        both = (5.0 * place + worse + scale * one for worse, one in zip((0.0, gap), noise, strict=True))
        pairs.append([Sample.of_numbers(numbers, seeds=range(seeds)) for numbers in both])
    return [ours for ours, _ in pairs], [theirs for _, theirs in pairs]


def _false_in_sweep(generator: np.random.Generator, worlds: int, seeds: int, values: int, settings: int) -> Array:
    first = _cells(generator, worlds, seeds, settings=settings)
    found = [
        compare_means(_cells(generator, worlds, seeds, settings=settings), first, margin=MARGIN).evidence
        for _ in range(values)
    ]
    return np.any(_decided(found), axis=0)


def _decided(claims: Sequence[Evidence]) -> list[Array]:
    """Whether each claim of a report comes to a side, at the level that the others leave for it."""
    levels = holm_levels(np.stack([claim.side_p_value for claim in claims], axis=-1))
    return [sided(decide(claim, levels[:, place])) for place, claim in enumerate(claims)]


def _false_on_examples(worlds: int, sizes: Sequence[int], *, examples: int = 1_000) -> list[str]:
    """Four settings of errors from 4 to 25 % on one test set; of every setting both cells are equal."""
    networks = [Classifier(error, 0.1, "normal") for error in (0.04, 0.07, 0.12, 0.25)]
    shares: list[str] = []
    for seeds in sizes:
        generator = np.random.default_rng([17, seeds])
        draw, false = draw_of("normal", generator), []
        for each in chunks(worlds, each=100):
            hardness = 2 * generator.standard_normal((each, 1, examples), dtype=np.float32)
            ours, theirs = ([n.outcomes(hardness, seeds, draw, generator) for n in networks] for _ in range(2))
            false.append(sided(decide(compare_means(ours, theirs, margin=0.001).evidence)))
        shares.append(percent(float(np.concatenate(false).mean()), worlds))
    return shares


def false_winners(worlds: int, sizes: Sequence[int]) -> list[list[str]]:
    """Rows of false decisions: the winner of a search against the baseline.

    Every point is trained once and the one with the lowest validation error wins, which has the noise of its seed and
    of the examples. As with `search.replicate`, the winner and the baseline are then trained anew, and those trainings
    alone are compared. Points equal the baseline in truth, or differ from it with the sd of one training; false is a
    side that is not the true one. In the last row the trainings that chose the winner are compared instead: what a
    report does not do.

    Args:
        worlds: in each cell.
        sizes: new trainings of each; in the last row trainings of every point.
    """
    rows: list[list[str]] = []
    for points, spread in ((8, 0.0), (64, 0.0), (64, HE_SD)):
        shares: list[str] = []
        for seeds in sizes:
            generator = np.random.default_rng([18, points, seeds, round(100 * spread)])
            truth = spread * generator.normal(size=(worlds, points))
            tried = truth + HE_SD * generator.normal(size=(2, worlds, points)).sum(axis=0)
            winner = np.take_along_axis(truth, tried.argmin(axis=1)[:, None], axis=1)
            anew, base = (HE_SD * generator.normal(size=(worlds, seeds)) for _ in range(2))
            verdicts = _verdicts(winner + anew, base)
            false = ((verdicts == "supported") & (winner[:, 0] >= 0)) | (
                (verdicts == "contradicted") & (winner[:, 0] <= 0)
            )
            shares.append(percent(float(false.mean()), worlds))
        unlike = f"that differ with sd {spread:g}" if spread else "all equal to it"
        rows.append([f"winner of {points} points {unlike} against the baseline, both trained anew", *shares])
    shares = []
    for seeds in sizes:
        generator = np.random.default_rng([19, seeds])
        chosen: list[Array] = []
        for each in chunks(worlds, each=1_000):
            test = HE_SD * generator.normal(size=(each, 64, seeds))
            validation = test + HE_SD * generator.normal(size=test.shape)
            best = validation.mean(axis=2).argmin(axis=1)[:, None, None]
            winner = np.take_along_axis(test, best, axis=1)[:, 0]
            chosen.append(sided(_verdicts(winner, HE_SD * generator.normal(size=winner.shape))))
        shares.append(percent(float(np.concatenate(chosen).mean()), worlds))
    rows.append(["not done by a report: winner of 64 equal points by the trainings that chose it", *shares])
    return rows


def _verdicts(ours: Array, theirs: Array) -> Array:
    cells = (Sample.of_numbers(numbers, seeds=range(numbers.shape[-1])) for numbers in (ours, theirs))
    return decide(compare(*cells, margin=MARGIN).evidence)


def power_of_means(worlds: int, sizes: Sequence[int]) -> list[list[str]]:
    """Rows of power: a published difference in each of four settings, beside Welch's on means over settings."""
    apart: list[str] = []
    together: list[str] = []
    for seeds in sizes:
        generator = np.random.default_rng([20, seeds])
        better = _cells(generator, worlds, seeds, settings=4)
        apart.append(_power(better, _cells(generator, worlds, seeds, settings=4, gap=0.24), worlds))
        generator = np.random.default_rng([24, seeds])
        pair = _pairs(generator, worlds, seeds, settings=4, spreads=_UNEQUAL, correlation=CORRELATION, gap=0.24)
        together.append(_power(*pair, worlds))
    name = "0.24 points, means over 4 settings, sd 0.16 to 0.48"
    return [[name, *apart], [f"{name}, the same seeds, correlation {CORRELATION}", *together]]


def _power(better: Sequence[Sample], worse: Sequence[Sample], worlds: int) -> str:
    """How often the difference is found, how often by Welch's test of the means over settings, and their ratio."""
    supported = float((decide(compare_means(better, worse, margin=MARGIN).evidence) == "supported").mean())
    test = ttest_ind(*(sum(cell.numbers for cell in cells) for cells in (worse, better)), axis=-1, equal_var=False)
    welch = float(((test.pvalue <= 0.05) & (test.statistic > 0)).mean())
    return f"{100 * supported:.1f} / {100 * welch:.1f} ({supported / max(welch, 1 / worlds):.2f})"


def coverage_of_means(worlds: int, kind: str, sizes: Sequence[int]) -> list[list[str]]:
    """Rows of coverage: the difference of two means over settings."""
    rows: list[list[str]] = []
    for settings in (2, 8):
        shares: list[str] = []
        for seeds in sizes:
            generator = np.random.default_rng([21, settings, seeds, len(kind)])
            ours, theirs = (_cells(generator, worlds, seeds, settings=settings, kind=kind) for _ in range(2))
            estimate = compare_means(ours, theirs, margin=MARGIN).estimate
            shares.append(percent(float(hits(estimate, 0.0).mean()), worlds))
        rows.append([f"a difference of means over {settings} settings, spreads 1 to 3", kind, *shares])
    return rows


def equivalent_means(worlds: int, sizes: Sequence[int]) -> list[list[str]]:
    """Rows of equivalence: means over settings that differ by exactly the margin."""
    shares: list[str] = []
    for seeds in sizes:
        generator = np.random.default_rng([22, seeds])
        cells = [_cells(generator, worlds, seeds, settings=4, gap=gap) for gap in (0.0, MARGIN)]
        found = decide(compare_means(*cells, margin=MARGIN).evidence) == "equivalent"
        shares.append(percent(float(found.mean()), worlds))
    return [["verdict of a difference of means over 4 settings, sd 0.16 to 0.48, normal seeds", *shares]]
