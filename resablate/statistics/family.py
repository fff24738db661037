"""One level for a whole report, by Holm's step-down over its claims."""

from collections.abc import Mapping

from resablate.statistics.comparison import Comparison, Decision
from resablate.statistics.step_down import holm_levels
from resablate.statistics.verdict import Verdict


def decide_family(comparisons: Mapping[str, Comparison], *, level: float = 0.05) -> dict[str, Decision]:
    """Every claim of a report, with at most `level` for one false verdict or more among them.

    Claims that are not tested take no part of the level.
    """
    first = {name: comparison.decide(level) for name, comparison in comparisons.items()}
    tested = [name for name, decision in first.items() if decision.verdict is not Verdict.NOT_TESTED]
    if not tested:
        return first
    levels = holm_levels([float(comparisons[name].evidence.p_value) for name in tested], level=level)
    held = {name: float(own) for name, own in zip(tested, levels, strict=True)}
    return {name: comparisons[name].decide(held[name]) if name in held else first[name] for name in comparisons}
