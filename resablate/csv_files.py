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
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(map(_inert, head))
        writer.writerows(map(_inert, row) for row in rows)


def _inert(cell: Cell) -> Cell:
    if not isinstance(cell, str):
        return cell
    # Python puts no quotes around a carriage return, which readers take for the end of a row.
    text = cell.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
