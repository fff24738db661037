"""Tree-structured Parzen estimators, of Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resablate.searches.interface import Adaptive

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler


def _sampler(seed: int, trials: int) -> BaseSampler:
    """More points like the good ones and unlike the others; the first ten are random.

    Source: Bergstra et al., NeurIPS 2011; Watanabe, arXiv 2304.11127.
    """
    from optuna.samplers import TPESampler

    # A running trial counts as a bad one, so that trials proposed at the same time are not near each other.
    return TPESampler(seed=seed, constant_liar=True)


TPE = Adaptive(_sampler, many_objectives=True)
