"""Veit, Wilber & Belongie 2016, "Residual Networks Behave Like Ensembles of Relatively Shallow Networks".

Their network is a pre-activation ResNet-110 (54 blocks) on CIFAR-10, their plain one a 15-layer VGG.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import median

from resablate.claims.claim import Claim, Verdict, combine
from resablate.claims.comparison import (
    deepest_groups,
    describe_setting,
    guessing_error,
    has_learned,
    percent,
    unregularized,
)
from resablate.measurement import AnalysisResult
from resablate.result import TrialResult

DEEP = 32
"""Layers from which one block is one of many: 15 blocks."""
BARELY = 0.1
COLLAPSED = 0.8
SHORT = 1 / 3
"""Paths through at most a third of the blocks: the paper's longest effective path has 17 of 54."""
FIT = 0.8


def residual_robust(results: Sequence[TrialResult]) -> Verdict:
    """At the greatest depth at which networks have learned, identity shortcuts.

    The increase of test error, as the mean over all blocks removed one at a time and the median over trials,
    is compared with the distance from the whole network's error to the error of guessing. Supported if it is less
    than 10 % of that distance, contradicted otherwise. Networks whose error is more than half of the error of guessing
    are left out. Networks of fewer than 32 layers in which one block does matter do not test the claim.
    """
    return _lesioned(results, "identity", lambda share: share < BARELY, at_least=DEEP)


def plain_collapses(results: Sequence[TrialResult]) -> Verdict:
    """At the greatest depth at which networks have learned, networks without shortcuts.

    The same share as for residual networks: supported if the mean increase is at least 80 % of the distance to the
    error of guessing, contradicted otherwise. Networks whose error is more than half of the error of guessing are left
    out.
    """
    return _lesioned(results, "none", lambda share: share >= COLLAPSED, at_least=0)


def norm_decays(results: Sequence[TrialResult]) -> Verdict:
    """At the greatest depth at which networks have learned, identity shortcuts.

    A line is fitted to the logarithm of the norm of one sampled path against its length. Supported if the
    median slope over trials is negative and the line explains at least 80 % of the variance; contradicted if
    the slope is not negative; else undecided.
    """

    def verdict(trials: Sequence[TrialResult]) -> Verdict:
        fits = [fit for trial in trials if (fit := _decay(trial.analyses["path_gradient"]))]
        if not fits:
            return Verdict("not tested", f"fewer than three lengths have a gradient ({describe_setting(trials)})")
        slope, explained = (median(values) for values in zip(*fits, strict=True))
        measured = f"factor {10**slope:.3g} per block, {100 * explained:.0f} % explained ({describe_setting(trials)})"
        if slope >= 0:
            return Verdict("contradicted", measured)
        return Verdict("supported" if explained >= FIT else "undecided", measured)

    return _analyzed(results, "identity", "path_gradient", verdict)


def short_paths(results: Sequence[TrialResult]) -> Verdict:
    """At the greatest depth at which networks have learned, identity shortcuts.

    Supported if half of the gradient (number of paths times norm of one path) comes from paths through at
    most a third of the blocks, as the median over trials; contradicted otherwise.
    """

    def verdict(trials: Sequence[TrialResult]) -> Verdict:
        found = [trial.analyses["path_gradient"] for trial in trials]
        blocks = len(found[0].table["length"]) - 1
        half, low, high = (
            median(analysis.summary[name] for analysis in found)
            for name in ("median_length", "effective_low", "effective_high")
        )
        if math.isnan(found[0].table["contribution"][0]):
            return Verdict("not tested", f"no path has a gradient ({describe_setting(trials)})")
        measured = (
            f"half by length {half:g}, 95 % at {low:g} to {high:g} of {blocks} blocks ({describe_setting(trials)})"
        )
        return Verdict("supported" if half <= SHORT * blocks else "contradicted", measured)

    return _analyzed(results, "identity", "path_gradient", verdict)


def _analyzed(
    results: Sequence[TrialResult],
    shortcut: str,
    analysis: str,
    verdict: Callable[[Sequence[TrialResult]], Verdict],
) -> Verdict:
    """The verdict over the deepest networks with this shortcut and analysis, combined over settings."""
    analyzed = [r for r in unregularized(results) if r.spec.shortcut.name == shortcut and analysis in r.analyses]
    chosen = [result for result in analyzed if has_learned(result)]
    groups = deepest_groups(chosen, freely=(), name=lambda spec: spec.shortcut.name, needed=[shortcut])
    missing = f"needs the analysis {analysis} of networks with shortcut {shortcut}"
    if analyzed and not chosen:
        missing = f"no network with shortcut {shortcut} has learned enough: its error exceeds half of that of guessing"
    return combine([verdict(group[shortcut]) for group in groups.values()], missing=missing)


def _lesioned(
    results: Sequence[TrialResult], shortcut: str, holds: Callable[[float], bool], *, at_least: int
) -> Verdict:
    def verdict(trials: Sequence[TrialResult]) -> Verdict:
        lesions = [trial.analyses["lesion"].summary for trial in trials]
        baseline, increase = (
            median(summary[name] for summary in lesions) for name in ("baseline_error", "mean_increase")
        )
        chance = guessing_error(trials[0])
        measured = (
            f"{percent(baseline)} whole, {percent(baseline + increase)} on average with one block removed,"
            f" {percent(chance)} by guessing ({describe_setting(trials)})"
        )
        if holds(increase / (chance - baseline)):
            return Verdict("supported", measured)
        if trials[0].spec.depth < at_least:
            return Verdict("not tested", f"fewer than {at_least} layers: {measured}")
        return Verdict("contradicted", measured)

    return _analyzed(results, shortcut, "lesion", verdict)


def _decay(analysis: AnalysisResult) -> tuple[float, float] | None:
    """Slope of log10 norm by length and the share of variance explained; None for fewer than three norms."""
    pairs = zip(analysis.table["length"], analysis.table["sampled_norm"], strict=True)
    points = [(length, math.log10(norm)) for length, norm in pairs if norm > 0]
    if len(points) < 3:  # noqa: PLR2004 - a line through two points explains everything
        return None
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread_x = sum((x - mean_x) ** 2 for x, _ in points)
    spread_y = sum((y - mean_y) ** 2 for _, y in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread_x
    return slope, slope**2 * spread_x / spread_y if spread_y else 1.0


RESIDUAL_ROBUST = Claim(
    statement="Removing one block of a trained residual network barely changes its test error.",
    source="Veit et al. 2016, section 4.1 and Figure 3",
    published="no noticeable change except modest peaks at the downsampling blocks (54 blocks, 6.10 % whole)",
    check=residual_robust,
)
PLAIN_COLLAPSES = Claim(
    statement="Removing one layer of a trained plain network brings its test error to chance.",
    source="Veit et al. 2016, section 4.1 and Figure 3",
    published="about 90 %, chance on CIFAR-10, for every layer of a 15-layer VGG; here a block is two layers",
    check=plain_collapses,
)
NORM_DECAYS = Claim(
    statement="The gradient norm of a single path falls exponentially with the path's length.",
    source="Veit et al. 2016, section 4.3 and Figure 6(b)",
    published="a straight line on a logarithmic axis (54 blocks); no slope is given",
    check=norm_decays,
)
SHORT_PATHS = Claim(
    statement="Most of the gradient comes from short paths.",
    source="Veit et al. 2016, section 4.3 and Figure 6(c)",
    published="almost all from paths through 5 to 17 of 54 blocks, 0.45 % of all paths",
    check=short_paths,
)
