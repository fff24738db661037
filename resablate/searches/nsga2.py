"""A genetic algorithm for several objectives, of Optuna."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resablate.searches.interface import Adaptive

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

_LARGEST_POPULATION = 50
_SMALLEST_POPULATION = 4
_GENERATIONS = 5


def _sampler(seed: int, trials: int) -> BaseSampler:
    """Crosses points that no other one beats in every objective.

    Source: Deb et al., IEEE Transactions on Evolutionary Computation 6, 2002.
    """
    from optuna.samplers import NSGAIISampler

    # The first generation is random, and with Optuna's 50 points in each a search of 40 trials would be random alone.
    population = min(_LARGEST_POPULATION, max(_SMALLEST_POPULATION, trials // _GENERATIONS))
    return NSGAIISampler(population_size=population, seed=seed)


NSGA2 = Adaptive(_sampler, many_objectives=True)
