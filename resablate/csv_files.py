"""CSV tables that a spreadsheet shows and does not run."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

Cell = str | float | None
_FORMULA = re.compile(r"[=+\-@\t\n\uff1d\uff0b\uff0d\uff20]")
"""How a text begins that a spreadsheet takes for a formula: the last four are the full-width forms of the first.

Source: OWASP, "CSV Injection".
"""
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def write_csv(file: Path, head: Iterable[str], rows: Iterable[Iterable[Cell]]) -> None:
    """Write a table; texts that would be formulas get an apostrophe before them, numbers stay numbers.

    Args:
        file: its folder is there.
        head: the names of the columns.
        rows: a value for each column; None leaves a cell empty.
    """
    with file.open("w", encoding="utf-8", errors="backslashreplace", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(map(_inert, head))
        writer.writerows(map(_inert, row) for row in rows)


def read_csv(file: Path) -> list[list[str]]:
    """The rows of a table as texts, the names of its columns first; none of a file that is no table.

    What `write_csv` put before a text is left there.

    Raises:
        OSError: if it cannot be read.
    """
    with file.open(encoding="utf-8", errors="replace", newline="") as text:
        try:
            return list(csv.reader(text))
        except csv.Error:
            return []


def as_written(cell: Cell) -> str:
    """A cell as `read_csv` gives it."""
    return "" if cell is None else str(_inert(cell))


def _inert(cell: Cell) -> Cell:
    if not isinstance(cell, str):
        return cell
    # Python puts no quotes around a carriage return, which readers take for the end of a row.
    text = cell.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
