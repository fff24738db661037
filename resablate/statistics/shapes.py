"""Which shape a curve has: exponential, a power law, Gaussian or flat, each against the others.

All four are lines in ln(y), so that any of them reaches an R2 of 0.8 on a falling curve. Each training's curve is
fitted by all; the claimed shape's lead over a rival is the difference of their AICc (positive where the claimed one
explains the curve better), one number per training, and its interval over seeds decides.

Source: Akaike, "A new look at the statistical model identification", IEEE TAC 19 (1974); Hurvich & Tsai, "Regression
and time series model selection in small samples", Biometrika 76 (1989); Vuong, "Likelihood ratio tests for model
selection and non-nested hypotheses", Econometrica 57 (1989).
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from resablate.statistics.argument_rules import check_choice
from resablate.statistics.comparison import Comparison, in_every
from resablate.statistics.contrasts import mean
from resablate.statistics.estimate import Array, Estimate
from resablate.statistics.sample import Sample
from resablate.statistics.thresholds import compare_with_threshold

Shape = Literal["exponential", "power_law", "gaussian", "flat"]

_COLUMNS: dict[Shape, Callable[[Array], list[Array]]] = {
    "exponential": lambda x: [x],
    "power_law": lambda x: [np.log(x)],
    "gaussian": lambda x: [x, x**2],
    "flat": lambda x: [],
}
SHAPES: tuple[Shape, ...] = tuple(_COLUMNS)
FEWEST_POINTS = 6
"""AICc of a Gaussian, with four numbers fitted, has n - 5 in a denominator."""


def aicc(positions: ArrayLike, values: ArrayLike) -> dict[Shape, Array]:
    """AICc of every shape for every training's curve: (points,), (seeds, points) -> (seeds,) each; lower is better.

    Raises:
        ValueError: if there are fewer than six points, or a position or value is not positive.
    """
    x, y = _checked(positions, values)
    return {shape: _score(np.column_stack([np.ones(x.size), *columns(x)]), y) for shape, columns in _COLUMNS.items()}


def compare_shapes(
    positions: ArrayLike,
    values: ArrayLike,
    *,
    claimed: Shape,
    rivals: Sequence[Shape] = SHAPES,
    seeds: Sequence[int] | None = None,
) -> Comparison:
    """The claim that curves have the shape `claimed` rather than any of `rivals`.

    Args:
        positions: (points,) such as path lengths, all positive.
        values: (seeds, points) one curve per training, all positive.
        claimed: the published shape.
        rivals: the others; `claimed` itself is left out.
        seeds: their names.

    Returns:
        One part for each rival: the lead of the claimed shape in AICc, supported where it is above 0.

    Raises:
        ValueError: as `aicc`, and for a shape that there is not.
    """
    for shape in (claimed, *rivals):
        check_choice("shape", shape, SHAPES)
    scores = aicc(positions, values)
    leads = {
        shape: mean(Sample.of_numbers(np.atleast_1d(scores[shape] - scores[claimed]), seeds=seeds))
        for shape in rivals
        if shape != claimed
    }
    return in_every({shape: compare_with_threshold(lead, 0.0, side="above") for shape, lead in leads.items()})


def curvature(positions: ArrayLike, values: ArrayLike) -> Estimate:
    """The second derivative of ln(value) by position, over seeds: 0 for an exponential, below 0 for a Gaussian.

    Raises:
        ValueError: as `aicc`.
    """
    x, y = _checked(positions, values)
    columns = np.column_stack([np.ones(x.size), x, x**2])
    fitted = np.linalg.lstsq(columns, y.T, rcond=None)[0]
    return mean(Sample.of_numbers(2 * fitted[2]))


def _checked(positions: ArrayLike, values: ArrayLike) -> tuple[Array, Array]:
    """Positions and the logarithms of (seeds, points) values."""
    x, y = np.asarray(positions, dtype=np.float64), np.atleast_2d(np.asarray(values, dtype=np.float64))
    if x.ndim != 1 or y.shape[-1] != x.size or x.size < FEWEST_POINTS:
        raise ValueError(f"shapes need six points or more in (seeds, points), but got {x.shape} and {y.shape}")
    if not all(np.all((array > 0) & (array < np.inf)) for array in (x, y)):
        raise ValueError(f"positions and values must be positive and finite, but got {x.min()} and {y.min()}")
    return x, np.log(y)


def _score(columns: Array, y: Array) -> Array:
    """AICc of a least-squares fit of each row of `y`; its noise is one more fitted number."""
    points, fitted = columns.shape[0], columns.shape[1] + 1
    left = y.T - columns @ np.linalg.lstsq(columns, y.T, rcond=None)[0]
    # A curve that lies on the shape to rounding would score minus infinity.
    noise = np.maximum(np.square(left).mean(axis=0), np.finfo(np.float64).eps ** 2)
    return points * np.log(noise) + 2 * fitted + 2 * fitted * (fitted + 1) / (points - fitted - 1)
