"""What a sweep's `resources.pack` comes to: whether its trials can be packed, and why some cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from resablate.pack_size import unpackable
from resablate.packs import by_shape
from resablate.spec import TrainSpec
from resablate.sweep import Resources


class Packable(NamedTuple):
    """What of some trials can train as packs."""

    most: int
    """Trials of one shape that can be packed, where there are most of them; 0 where no trial can be packed."""
    alone: dict[str, int]
    """Why trials cannot be packed -> how many."""

    def notes(self, *, proposed: int = 0) -> list[str]:
        """One line for each reason; without numbers where these are samples of what a search will propose."""
        if proposed:
            return [f"some trials train by themselves: {why}" for why in self.alone]
        return [
            f"{count} trials train by themselves: {why}" if count > 1 else f"1 trial trains by itself: {why}"
            for why, count in self.alone.items()
        ]


def packable(trials: Sequence[TrainSpec]) -> Packable:
    """What of `trials`, canonical, can train as packs."""
    most, alone = 0, Counter[str]()
    for alike in by_shape(trials):
        if why := unpackable(alike[0]):
            alone[why] += len(alike)
        else:
            most = max(most, len(alike))
    return Packable(most, dict(alone))


def pack_problems(trials: Sequence[TrainSpec], resources: Resources) -> list[str]:
    """One line for each reason why nothing of a sweep can be packed that asks for packs of several trials."""
    if not _asks_for_several(resources) or not trials:
        return []
    found = packable(trials)
    return [
        f"resources.pack: {resources.pack}, but no trial can be packed: {why}" for why in found.alone if not found.most
    ]


def pack_notes(trials: Sequence[TrainSpec], resources: Resources, *, proposed: int = 0) -> list[str]:
    """What of `resources.pack` cannot be had, where a number is asked for.

    Args:
        trials: of the sweep, or samples of those that a search will propose.
        resources: of the sweep.
        proposed: how many a search will propose; 0 where all are known.
    """
    if not _asks_for_several(resources) or not trials:
        return []
    found = packable(trials)
    most, asked = proposed if proposed and found.most else found.most, int(resources.pack)
    notes = found.notes(proposed=proposed)
    if most == 1:
        notes.append(f"resources.pack: {asked}, but no two trials are of one shape; each trains by itself")
    elif asked > most:
        notes.append(f"resources.pack: {asked}, but there are no more than {most} to pack; packs hold {most} at most")
    return notes


def _asks_for_several(resources: Resources) -> bool:
    return isinstance(resources.pack, int) and resources.pack > 1
