"""Bayesian optimization with a Gaussian process, of Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resablate.searches.interface import Adaptive

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


def _sampler(seed: int, trials: int) -> BaseSampler:
    """The point that a Gaussian process fitted to the earlier ones expects most of; the first ten are random.

    Source: Jones et al., Journal of Global Optimization 13, 1998; Optuna's GPSampler.
    """
    from optuna.samplers import GPSampler

    return GPSampler(seed=seed)


GP = Adaptive(_sampler, many_objectives=False)
