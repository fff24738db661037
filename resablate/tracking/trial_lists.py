"""The list of a submission's trials, in files that a search adds to without writing all of it each time."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, cast, final

from resablate.plain_json import read_json
from resablate.spec import TrainSpec
from resablate.tracking.spec_lists import pack_specs, unpack_specs

TRIALS_FILE = "trials.json"
RECENT_FILE = "trials-recent.json"
"""The trials that came after those of TRIALS_FILE; `start` is how many came before the first of them."""
_FEWEST_RECENT = 50


@final
class TrialList:
    """Trials in the order in which they were asked for, each once.

    A new trial goes into the file of recent ones, which holds at most 50 trials or the square root of all of them;
    beyond that the whole list is written. So noting n trials one by one writes some n * sqrt(n) records, not n * n.

    Args:
        trials: those that the submission begins with.
    """

    def __init__(self, trials: Iterable[TrainSpec]) -> None:
        self._specs = {spec.key: spec for spec in trials}
        self._in_whole = 0
        """How many of the list TRIALS_FILE holds."""
        self._written = 0
        """How many the two files hold."""

    def __len__(self) -> int:
        return len(self._specs)

    @property
    def by_key(self) -> Mapping[str, TrainSpec]:
        """Key -> trial, in their order."""
        return self._specs

    def add(self, spec: TrainSpec) -> None:
        """Add a trial, if it is not there."""
        self._specs.setdefault(spec.key, spec)

    @property
    def unwritten(self) -> int:
        """How many trials are in neither file."""
        return len(self._specs) - self._written

    def next_file(self) -> tuple[str, str]:
        """The name and the content of the file that holds what is unwritten; `mark_written` comes after it."""
        specs = list(self._specs.values())
        if self._is_whole_due():
            return TRIALS_FILE, _dump(specs, start=0)
        return RECENT_FILE, _dump(specs[self._in_whole :], start=self._in_whole)

    def mark_written(self, name: str) -> None:
        """Note that the file that `next_file` gave is stored."""
        self._written = len(self._specs)
        if name == TRIALS_FILE:
            self._in_whole = self._written

    def _is_whole_due(self) -> bool:
        count = len(self._specs)
        return not self._in_whole or count - self._in_whole > max(_FEWEST_RECENT, math.isqrt(count))


def read_trial_list(whole: bytes, recent: bytes | None) -> list[TrainSpec]:
    """The trials of the two files, of which the second may be older than the first.

    Raises:
        ValueError: if one is not what TrialList writes.
    """
    specs = unpack_specs(read_json(whole))
    if recent is None:
        return specs
    content = read_json(recent)
    added = unpack_specs(content)
    start = cast(dict[str, Any], content).get("start")
    if not isinstance(start, int) or not 0 <= start <= len(specs):
        raise ValueError(f"start must be a place in the list of {len(specs)} trials, got {start!r}")
    return [*specs, *added[len(specs) - start :]]


def _dump(specs: list[TrainSpec], *, start: int) -> str:
    return json.dumps({"start": start, **pack_specs(specs)}, separators=(",", ":"))
