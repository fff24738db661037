"""What every checkup is given, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from resablate.tracking import MlflowExaminer


class Fault(NamedTuple):
    """One thing that is wrong."""

    place: str
    """A file, or a run of the store."""
    problem: str
    """In a few words."""
    remedy: str
    """What mends it: `--mend` does, or a person."""
    mend: Callable[[], None] | None = None
    """Loses nothing that counts; None where only a person can tell what to do, or the next submission does it."""


class Scope(NamedTuple):
    """What is looked at."""

    records: MlflowExaminer | None
    """None where the records are in memory, or nothing answers."""
    uri: str
    """Of the records."""
    names: Sequence[str]
    """Of the sweeps."""
    work: Path
    """With a folder for each sweep."""
    unread: str = ""
    """Why the records cannot be read, where they cannot."""


Checkup = Callable[[Scope], Iterator[Fault]]
"""Looks for one kind of fault.

Raises:
    ResablateError: if it cannot look.
"""
