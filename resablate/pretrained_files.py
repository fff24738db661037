"""The answers of networks of other packages as files: one table for a folder, and a folder for each network asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from resablate.component import content_hash
from resablate.csv_files import Cell, as_written, read_csv, write_csv
from resablate.dissection import Dissection
from resablate.errors import ResablateError
from resablate.storage.files import DISK_FULL, why_unwritable
from resablate.storage.locks import file_lock

SUMMARY = "summary.csv"
_LOCK = ".summary.lock"
_ID_DIGITS = 8
_LONGEST_NAME = 60


class PretrainedNetwork(NamedTuple):
    """What was asked, as the first columns of the table say it."""

    network: str
    """`ADAPTER:NAME`."""
    weights: str
    """The name of their file."""
    weights_sha256: str
    """Of its content, in hexadecimal digits."""
    data: str
    """The data set with its arguments."""
    data_fingerprint: str
    """Of its content."""
    seed: int
    """What splits and analyses draw from."""

    @property
    def folder(self) -> str:
        """The name of the folder that its answers have to themselves: `resnet56_cifar10_1a2b3c4d`."""
        words = f"{Path(self.weights).stem}_{self.data.partition('(')[0]}"
        return f"{safe_name(words)}_{content_hash(list(self), _ID_DIGITS)}"


_COLUMNS = (*PretrainedNetwork._fields, "folder", "analysis", "number", "value", "unit")
_VALUE = _COLUMNS.index("value")
_ASKED = (*PretrainedNetwork._fields, "analysis")
"""The columns by which an answer takes the place of an earlier one."""


def safe_name(words: str) -> str:
    """`words` as a part of a file's name."""
    return re.sub(r"[^\w.+-]+", "_", words)[:_LONGEST_NAME]


def check_answers_folder(folder: Path) -> None:
    """See that answers can be added to a folder, before there are any.

    Raises:
        ResablateError: if it cannot be made or written, or holds a table of something else.
    """
    if why := why_unwritable(folder):
        raise ResablateError(f"{folder}: no answers can be written there ({why})")
    with suppress(FileNotFoundError):
        _kept_rows(folder / SUMMARY)


def write_dissection(outcome: Dissection, *, of: PretrainedNetwork, folder: Path) -> Path:
    """Add answers to a folder, and return where those of this network lie.

    There each is `NAME.csv` and, where it has curves, `NAME.png`. `summary.csv` in `folder` has their summaries beside
    those of every other network, weights and data set that was asked in the same folder.

    Raises:
        ResablateError: if it cannot be written, or holds a table of something else.
    """
    place = folder / of.folder
    try:
        place.mkdir(parents=True, exist_ok=True)
        _write_answers(outcome, place)
        with file_lock(folder / _LOCK):
            _merge(folder / SUMMARY, outcome, of)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise
        raise ResablateError(f"{error.filename or folder}: cannot be written ({error.strerror})") from None
    return place


def _write_answers(outcome: Dissection, place: Path) -> None:
    for measurement in outcome.done:
        measured = measurement.result
        file = measurement.question.name.replace(" ", "_")
        if measured.table:
            write_csv(place / f"{file}.csv", measured.table, zip(*measured.table.values(), strict=True))
        if measured.axes:
            measured.plot().savefig(place / f"{file}.png", dpi=150)


def _merge(file: Path, outcome: Dissection, of: PretrainedNetwork) -> None:
    """Put the new summaries into the table, in the place of what the same question gave before."""
    new: list[tuple[Cell, ...]] = [
        (*of, of.folder, measurement.question.name, number, value, measurement.result.units[number])
        for measurement in outcome.done
        for number, value in measurement.result.summary.items()
    ]
    replaced = {_asked(row) for row in new}
    kept: list[tuple[Cell, ...]] = []
    with suppress(FileNotFoundError):
        kept += [(*row[:_VALUE], _number(row[_VALUE]), *row[_VALUE + 1 :]) for row in _kept_rows(file)]
    partial = file.with_suffix(".partial")
    write_csv(partial, _COLUMNS, [*(row for row in kept if _asked(row) not in replaced), *new])
    partial.replace(file)


def _kept_rows(file: Path) -> Iterable[Sequence[str]]:
    """The rows of a table that is there.

    Raises:
        FileNotFoundError: if there is none.
        ResablateError: if it is a table of something else.
    """
    rows = read_csv(file)
    if not rows or tuple(rows[0]) != _COLUMNS or any(len(row) != len(_COLUMNS) for row in rows):
        raise ResablateError(f"{file}: is no table of answers with {', '.join(_COLUMNS)}; name another folder")
    return rows[1:]


def _asked(row: Sequence[Cell]) -> tuple[str, ...]:
    return tuple(as_written(cell) for name, cell in zip(_COLUMNS, row, strict=True) if name in _ASKED)


def _number(text: str) -> Cell:
    try:
        return float(text)
    except ValueError:
        return text
