"""The searches: how the points of a sweep are chosen. One file each."""

from collections.abc import Callable

from resablate.registry import Registry
from resablate.searches.grid import grid
from resablate.searches.random import random
from resablate.sweep import Point, SweepSpec

SEARCHES: Registry[Callable[[SweepSpec], list[Point]]] = Registry(
    "search",
    "searches",
    {"grid": grid, "random": random},
)
