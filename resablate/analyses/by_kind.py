"""Error and loss of several kinds of change to a network, each made in several places."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from resablate.measurement import ANY, INCREASE, PART, POSITIVE, Bounds
from resablate.training.bootstrap import ResampledScores, standard_error

BY_KIND_BOUNDS: Mapping[str, Bounds] = {
    "*error": PART,
    "*_loss_increase*": ANY,
    "*_error_increase*": INCREASE,
    "*": POSITIVE,
}
"""Of its numbers and columns."""


class ByKind(NamedTuple):
    """What an analysis of kinds and places tells of its scores."""

    summary: dict[str, float]
    columns: dict[str, Sequence[float]]
    """A value for each place."""
    axes: list[str]
    """The columns without standard errors."""
    units: dict[str, str]


def scores_by_kind(scores: ResampledScores, kinds: Iterable[str], *, places: int) -> ByKind:
    """The whole network's error and loss, those of every kind at every place, and their mean increase over the places.

    Args:
        scores: of every kind and place, by kind and then by place; the whole network's last.
        kinds: by name.
        places: of each kind.

    Returns:
        `KIND_error` and `KIND_loss` of each place, `baseline_error` and `mean_error_increase_by_KIND` of all, and so
        on, each with its `..._standard_error`.
    """
    found = ByKind({}, {}, [], {})
    for number, values in (("error", scores.errors()), ("loss", scores.losses())):
        numbers = {f"baseline_{number}": values[-1]}
        for order, kind in enumerate(kinds):
            rows = values[order * places : (order + 1) * places]
            found.axes.append(f"{kind}_{number}")
            found.columns[f"{kind}_{number}"] = rows[:, 0].tolist()
            found.columns[f"{kind}_{number}_standard_error"] = standard_error(rows).tolist()
            numbers[f"mean_{number}_increase_by_{kind}"] = (rows - values[-1]).mean(dim=0)
        for name, resampled in numbers.items():
            found.summary[name] = float(resampled[0])
            found.summary[f"{name}_standard_error"] = float(standard_error(resampled))
    names = [*found.summary, *found.columns]
    found.units.update({name: "nats" if "loss" in name else "fraction" for name in names})
    return found
