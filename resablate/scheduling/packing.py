"""How many trials make a pack: what was asked for, or what trains fastest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple, final

from resablate.estimates import estimate_seconds
from resablate.pack_notes import packable
from resablate.pack_size import unpackable
from resablate.packs import Pack, by_shape, in_packs, shape_key
from resablate.plan import SweepPlan
from resablate.searches.pruning import PAUSING
from resablate.searches.searcher import Searcher
from resablate.spec import TrainSpec
from resablate.sweep import Range

Measure = Callable[[Sequence[tuple[TrainSpec, int]]], Sequence[int]]
"""Trials, and the most that may train as one with each -> how many train fastest so."""
WORTH_SECONDS = 8.0
"""Measuring takes about a second for each member of the largest pack that is tried, in a process that has to start, and
a pack saves a quarter of the time or a half. So all trials of a shape, each slot one CPU core, must train for so many
seconds for each of these, else it would take longer than it gains."""
_PART_OF_A_SEARCH = 10
"""A search is asked for no more than such a part of its points at once, where it is not said how many."""


@final
class PackSizes:
    """Puts trials into packs.

    Args:
        asked: `resources.pack`.
        slots: packs that run at a time.
        measure: asked once for each shape, and again only where more of it may train as one; no trial runs then.
        say: told what is done.
        worth_seconds: as WORTH_SECONDS.
    """

    def __init__(
        self,
        asked: int | Literal["auto"],
        *,
        slots: int,
        measure: Measure,
        say: Callable[[str], None],
        worth_seconds: float = WORTH_SECONDS,
    ) -> None:
        self._asked = asked if isinstance(asked, int) else None
        self._slots = slots
        self._measure = measure
        self._say = say
        self._worth_seconds = worth_seconds
        self._measured: dict[str, _Measured] = {}
        self._ranges: frozenset[str] = frozenset()
        """Axes of a search on which shapes differ without being measured apart."""

    def packs(self, trials: Sequence[TrainSpec]) -> list[Pack]:
        """All of `trials`, canonical, in packs; where no number is asked for, none that leaves slots empty.

        Where there are packs of several, the longest are first, so that none runs alone at the end.
        """
        most = _parts(len(trials), self._slots) if self._asked is None else len(trials)
        self._learn([(alike[0], min(len(alike), most), len(alike)) for alike in by_shape(trials)])
        packs = in_packs(trials, partial(self._count, most, len(trials)))
        if words := sizes_in_words(packs):
            self._say(f"packs: {words}")
        return sorted(packs, key=_seconds, reverse=True) if words else packs

    def foresee(self, search: Searcher, plan: SweepPlan) -> None:
        """Measure the shapes that the search is expected to propose, all at once and before the first trial begins.

        Later there may be nowhere to measure: its own processes, idle ones too, keep what a task would wait for.
        Shapes that differ on ranges alone, of which each point has its own, are measured as one: the costliest sample.
        """
        if self._asked is not None:
            return
        self._ranges = frozenset(axis for axis, span in plan.sweep.space.items() if isinstance(span, Range))
        alike: dict[str, list[TrainSpec]] = {}
        for spec in plan.samples:
            alike.setdefault(self._key(spec), []).append(spec)
        most, share = self._most_at_once(search), search.scheduled / max(1, len(plan.samples))
        counted = [(max(specs, key=_alone), int(share * len(specs))) for specs in alike.values()]
        self._learn([(spec, min(most, count), count) for spec, count in counted])

    def next_pack(self, search: Searcher) -> Pack:
        """The next trials that the search proposes, of one shape; none at its end. Nothing is measured."""
        most = self._most_at_once(search)
        return search.next_pack(lambda spec: self._size(spec, most))

    def _most_at_once(self, search: Searcher) -> int:
        """How many trials a search is asked for at once at most: the more, the less it knows of each."""
        return self._asked or _at_once(search.total, point_size=search.point_size, slots=self._slots)

    def _count(self, most: int, trials: int, alike: Pack) -> int:
        """How many packs all trials of one shape make."""
        count = len(alike)
        packs = _parts(count, self._size(alike[0], min(count, most)))
        if self._asked is not None or count < trials:
            return packs
        return min(count, _parts(packs, self._slots) * self._slots)  # of no other shape: as many as slots in each round

    def _learn(self, wanted: Sequence[tuple[TrainSpec, int, int]]) -> None:
        """Measure shapes, of which so many trials may train as one and so many are to be trained, if it is worth it."""
        if self._asked is not None:
            return
        asked = [
            (spec, most)
            for spec, most, count in wanted
            if most > 1
            and self._measured.get(self._key(spec), _UNKNOWN).may_be_more(most)
            and count * _alone(spec) >= self._worth_seconds * self._slots * most
            and not unpackable(spec)
        ]
        if not asked:
            return
        shapes = f"{len(asked)} shapes" if len(asked) > 1 else "one shape"
        self._say(f"measuring how many trials train fastest as one, for networks of {shapes}")
        for (spec, most), best in zip(asked, self._measure(asked), strict=True):
            self._measured[self._key(spec)] = _Measured(most, best)

    def _key(self, spec: TrainSpec) -> str:
        return shape_key(spec, but=self._ranges)

    def _size(self, spec: TrainSpec, most: int) -> int:
        """How many of at most so many trials of the shape of `spec` make a pack."""
        most = min(most, self._asked or self._measured.get(self._key(spec), _UNKNOWN).best)
        return 1 if most == 1 or unpackable(spec) else most


def _seconds(pack: Pack) -> float:
    """What a pack is expected to train for, all members together."""
    return sum(map(_alone, pack))


def _alone(spec: TrainSpec) -> float:
    """What a trial is expected to train for by itself, in seconds."""
    return estimate_seconds(spec, ())


class _Measured(NamedTuple):
    """What was measured of a shape."""

    most: int
    best: int

    def may_be_more(self, most: int) -> bool:
        """Whether more of them, if so many were tried, could be better."""
        return most > self.most == self.best


_UNKNOWN = _Measured(1, 1)


def _at_once(trials: int, *, point_size: int, slots: int) -> int:
    """How many trials a search of so many is asked for at most, where it is not said."""
    return max(point_size, trials // (_PART_OF_A_SEARCH * slots))


def _parts(count: int, size: int) -> int:
    """How many parts of at most `size` hold `count`."""
    return -(-count // size)


def describe_packs(plan: SweepPlan, trials: Sequence[TrainSpec]) -> list[str]:
    """What packs there will be, in a few lines; nothing where none are asked for.

    Args:
        plan: of a sweep.
        trials: canonical, those of its trials that are to run, as far as they are known.
    """
    resources, search = plan.sweep.resources, plan.sweep.search
    if resources.pack == 1 or not (trials or plan.adaptive):
        return []
    if search.pruning in PAUSING:
        return [f"packs: none, for {search.pruning} has trials wait for each other"]
    found = packable(trials or plan.samples)
    if plan.adaptive:
        most = _at_once(plan.trial_count, point_size=len(search.seeds or [0]), slots=1)
        most = min(resources.pack, plan.trial_count) if isinstance(resources.pack, int) else most
        return [
            f"packs: of no more than {most} trials, which {search.method} proposes at once",
            *found.notes(proposed=most),
        ]
    if isinstance(resources.pack, int):
        said: list[str] = []
        PackSizes(resources.pack, slots=1, measure=lambda shapes: (), say=said.append).packs(trials)
        return said or ["packs: none"]  # why some trials are in none stands in the plan's notes
    some = f"up to {found.most} trials of one shape, as many at a time as train fastest: measured when the sweep begins"
    some += ", where they train long enough for that"
    none = "none" if found.alone else "none, for no two trials are of one shape"
    return [f"packs: {some if found.most > 1 else none}", *found.notes()]


def sizes_in_words(packs: Sequence[Pack]) -> str:
    """`3 packs of 4 trials, 2 of 1`; nothing where every trial is on its own."""
    sizes = Counter(map(len, packs))
    if not sizes or set(sizes) == {1}:
        return ""
    (size, count), *rest = sorted(sizes.items(), reverse=True)
    first = f"{count} pack{'s' * (count > 1)} of {size} trials"
    return ", ".join([first, *(f"{count} of {size}" for size, count in rest)])
