"""How much of what a search measured each axis explains."""

from __future__ import annotations

import math
from collections.abc import Sequence

from resablate.searches.study import distributions, params_of
from resablate.sweep import Point, Range, SweepSpec

_FEWEST = 8
"""Points from which a forest is grown; of fewer it would say nothing."""


def importances(points: Sequence[Point], values: Sequence[float], sweep: SweepSpec) -> dict[str, float]:
    """Axis -> the part of the variance of `values` that it explains on its own, the largest first; they add up to 1.

    A random forest is fitted to the points and its variance divided among the axes. Values that are not finite are
    left out. Empty where fewer than eight points or no two different values are left.

    Args:
        points: of the sweep.
        values: what each gave.
        sweep: whose axes they are on; its cases are one axis, `case`.

    Source: fANOVA of Hutter, Hoos & Leyton-Brown, ICML 2014, as Optuna has it.
    """
    import optuna
    from optuna.distributions import FloatDistribution
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    finite = [(point, value) for point, value in zip(points, values, strict=True) if abs(value) < float("inf")]
    if len(finite) < _FEWEST or len({value for _, value in finite}) < 2:  # noqa: PLR2004 - two values differ
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    axes, logs = distributions(sweep), _log_axes(sweep)
    # Optuna's fANOVA looks at ranges as they are, where nine tenths of a logarithmic one lie in its last decade.
    for axis, span in logs.items():
        axes[axis] = FloatDistribution(math.log(span.low), math.log(span.high))
    for point, value in finite:
        params = {axis: math.log(part) if axis in logs else part for axis, part in params_of(point, sweep).items()}
        study.add_trial(optuna.create_trial(params=params, distributions=axes, value=value))
    found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    return {axis: float(share) for axis, share in sorted(found.items(), key=lambda item: -item[1])}


def _log_axes(sweep: SweepSpec) -> dict[str, Range]:
    return {axis: span for axis, span in sweep.axes.items() if isinstance(span, Range) and span.log}
