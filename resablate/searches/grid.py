"""Every combination of the axes' values."""

from resablate.errors import SpecError
from resablate.sweep import Point, Range, SweepSpec


def grid(sweep: SweepSpec) -> list[Point]:
    """Every combination of the listed values, the last axis fastest.

    Raises:
        SpecError: if an axis is a range, or a number of trials is given.
    """
    problems = [
        f"axes.{axis}: is a range, and method: grid needs a list; write a list or use method: random"
        for axis, values in sweep.axes.items()
        if isinstance(values, Range)
    ]
    if sweep.search.trials is not None:
        problems.append(f"search.trials: grid runs every point; remove trials: {sweep.search.trials}")
    if problems:
        raise SpecError(problems)
    return list(sweep.points())
