"""The searches: how the points of a sweep are chosen. One file each."""

from resablate.registry import Registry
from resablate.searches.gp import GP
from resablate.searches.grid import grid
from resablate.searches.interface import Adaptive as Adaptive
from resablate.searches.interface import Exhaustive as Exhaustive
from resablate.searches.nsga2 import NSGA2
from resablate.searches.pruning import PRUNINGS as PRUNINGS
from resablate.searches.quasi_random import quasi_random
from resablate.searches.random import random
from resablate.searches.tpe import TPE

SEARCHES: Registry[Exhaustive | Adaptive] = Registry(
    "search",
    "searches",
    {
        "grid": grid,
        "random": random,
        "quasi_random": quasi_random,
        "tpe": TPE,
        "gp": GP,
        "nsga2": NSGA2,
    },
)


def is_adaptive(method: str) -> bool:
    """Whether the search called `method` learns from the trials that ended."""
    return isinstance(SEARCHES[method], Adaptive)
