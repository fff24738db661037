"""One level for a whole report, by Holm's step-down over its claims."""

from collections.abc import Mapping

from resablate.statistics.argument_rules import check_share
from resablate.statistics.comparison import Comparison, Decision
from resablate.statistics.step_down import holm_levels


def decide_family(comparisons: Mapping[str, Comparison], *, level: float = 0.05) -> dict[str, Decision]:
    """Every claim of a report, with at most `level` for one false verdict or more among them.

    Claims of which nothing can be tested take no part of the level; whether they can does not depend on outcomes.

    Raises:
        ValueError: if level does not lie between 0 and 1.
    """
    check_share("level", level)
    tested = [name for name, comparison in comparisons.items() if comparison.testable]
    found = {name: comparison.decide(level) for name, comparison in comparisons.items() if name not in tested}
    if tested:
        levels = holm_levels([comparisons[name].side_p_value for name in tested], level=level)
        found |= {name: comparisons[name].decide(float(own)) for name, own in zip(tested, levels, strict=True)}
    return {name: found[name] for name in comparisons}
