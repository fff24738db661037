"""Every combination of the values of the axes and the cases."""

from resablate.errors import SpecError
from resablate.sweep import LARGEST_GRID, Point, Range, SweepSpec


def grid(sweep: SweepSpec) -> list[Point]:
    """Every combination of cases and listed values, the last axis fastest.

    Raises:
        SpecError: if an axis is a range, a number of trials is given, or there are more than LARGEST_GRID points.
    """
    problems = [
        f"axes.{axis}: is a range, and method: grid needs a list; write a list or use method: random"
        for axis, values in sweep.axes.items()
        if isinstance(values, Range)
    ]
    if sweep.search.trials is not None:
        problems.append(f"search.trials: grid runs every point; remove trials: {sweep.search.trials}")
    if sweep.grid_size > LARGEST_GRID:
        sizes = " x ".join(f"{axis} {len(values)}" for axis, values in sweep.space.items() if isinstance(values, tuple))
        problems.append(
            f"axes: a grid has at most {LARGEST_GRID:,} points, but {sizes} makes {sweep.grid_size:,}; shorten an axis,"
            " or draw from it with method: random"
        )
    if problems:
        raise SpecError(problems)
    return list(sweep.points())
