"""How many trials make a pack: what was asked for, or what trains fastest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, final

from resablate.packs import Pack, in_packs, shape_key
from resablate.searches.searcher import Searcher
from resablate.spec import TrainSpec

Measure = Callable[[TrainSpec, int], int]
"""A trial and the most that may train as one with it -> how many train fastest so."""
_PART_OF_A_SEARCH = 10
"""A search is asked for no more than such a part of its points at once, where it is not said how many."""


@final
class PackSizes:
    """Puts trials into packs.

    Args:
        asked: `resources.pack`.
        slots: packs that run at a time.
        measure: asked once for each shape, and again only where more of it may train as one.
    """

    def __init__(self, asked: int | Literal["auto"], *, slots: int, measure: Measure) -> None:
        self._asked = asked if isinstance(asked, int) else None
        self._slots = slots
        self._measure = measure
        self._measured: dict[str, tuple[int, int]] = {}
        """Shape -> the most that it was measured for, and what was best."""

    def packs(self, trials: Sequence[TrainSpec]) -> list[Pack]:
        """All of `trials`, canonical, in packs; where no number is asked for, none that leaves slots empty."""
        return in_packs(trials, partial(self._count, trials))

    def next_pack(self, search: Searcher) -> Pack:
        """The next trials that the search proposes, of one shape; none at its end."""
        return search.next_pack(lambda spec: self._most(spec, self._at_once(search)))

    def _count(self, trials: Sequence[TrainSpec], alike: Pack) -> int:
        """How many packs the trials of one shape make."""
        if self._asked is not None:
            return _parts(len(alike), self._most(alike[0], len(alike)))
        size = self._most(alike[0], min(len(alike), _parts(len(trials), self._slots)))
        if len(alike) < len(trials):
            return _parts(len(alike), size)
        rounds = _parts(len(alike), size * self._slots)  # of no other shape: as many packs as slots in each
        return min(len(alike), rounds * self._slots)

    def _at_once(self, search: Searcher) -> int:
        """The most trials of a search that may be a pack: more at once means that it knows less of each."""
        if self._asked is not None:
            return search.scheduled
        return max(search.point_size, search.total // (_PART_OF_A_SEARCH * self._slots))

    def _most(self, spec: TrainSpec, count: int) -> int:
        """How many of `count` trials of the shape of `spec` make a pack."""
        if self._asked is not None:
            return min(self._asked, count)
        if count <= 1:
            return 1
        most, best = self._measured.get(shape := shape_key(spec), (0, 0))
        if count > most == best:
            best = self._measure(spec, count)
            self._measured[shape] = count, best
        return min(best, count)


def _parts(count: int, size: int) -> int:
    """How many parts of at most `size` hold `count`."""
    return -(-count // size)


def measured_size(spec: TrainSpec, at_most: int) -> int:
    """How many trials of the shape of `spec` train fastest as one, of at most so many.

    The trainings of a session run one after the other, so nothing is gained by more than one.
    """
    return 1


def sizes_in_words(packs: Sequence[Pack]) -> str:
    """`3 packs of 4 trials, 2 of 1`; nothing where every trial is on its own."""
    sizes = Counter(map(len, packs))
    if not sizes or set(sizes) == {1}:
        return ""
    (size, count), *rest = sorted(sizes.items(), reverse=True)
    first = f"{count} pack{'s' * (count > 1)} of {size} trials"
    return ", ".join([first, *(f"{count} of {size}" for size, count in rest)])
