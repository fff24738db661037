"""The rows of a soak: as a table, read again from it, and judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from resablate.errors import ResablateError

Row = Mapping[str, Any]
COLUMNS = {
    "sweep": "sweep",
    "where": "where",
    "submissions": "submissions",
    "lost": "lost",
    "twice": "twice",
    "wrong": "wrong",
    "left": "left over",
    "peak_mib": "peak (MiB)",
    "peak_files": "open files",
    "server_mib": "server (MiB)",
    "server_files": "its open files",
    "temporary": "temporary",
}
"""Field of a row -> heading."""
NOUGHT = ("lost", "twice", "wrong", "left")
FLAT = {"peak_mib": 0, "peak_files": 4, "server_files": 4, "temporary": 4}
"""What may not grow, and by how many it may all the same: of eight files a fifth is less than two, and one look finds
more than the other. What leaks one with each sweep is more than that within a dozen sweeps."""
PART = 0.2
FEWEST = 3
"""Sweeps of a kind: a third of fewer is none."""
_HEAD = "Memory and files"
_LAST = "Taken at "


def table(rows: Sequence[Row]) -> list[str]:
    """The lines of it."""
    sides = ["---" if name == "where" else "---:" for name in COLUMNS]
    cells = [[str(row[name]) for name in COLUMNS] for row in rows]
    return [f"| {' | '.join(COLUMNS.values())} |", f"|{'|'.join(sides)}|", *(f"| {' | '.join(row)} |" for row in cells)]


def rows_of(page: str) -> list[Row]:
    """The rows of a page's table."""
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"]
    if not found or found[0] != list(COLUMNS.values()):
        raise ResablateError(f"this page has no table of a soak, whose columns are {', '.join(COLUMNS.values())}")
    return [
        {name: cell if name == "where" else int(cell) for name, cell in zip(COLUMNS, cells, strict=True)}
        for cells in found[2:]
    ]


def flatness(rows: Sequence[Row]) -> str:
    """The rule and its outcome, in one line of the page."""
    grown = "; ".join(_grown(rows))
    thirds = [f"{kind}: {_told(of)}" for kind, of in _kinds(rows).items()]
    return (
        f"{_HEAD}: {f'**not flat** ({grown})' if grown else 'flat'}. Of the sweeps of a kind, the median of the last"
        f" third may be at most a fifth above that of the first third, or 4 where files or folders are counted."
        f" {'; '.join(thirds)}. The server's memory is MLflow's own, and is told alone."
    )


def check(rows: Sequence[Row]) -> None:
    """Complain of what is not as it should be.

    Raises:
        ResablateError: if something was lost, done twice, wrong or left over, or memory or files grow.
    """
    wrong = [f"sweep {row['sweep']}: {COLUMNS[name]} {row[name]}" for row in rows for name in NOUGHT if row[name]]
    if problems := [*wrong, *_grown(rows)]:
        raise ResablateError("; ".join(problems))


def judge_page(page: Path) -> str:
    """Judge a page that is there, and write the line of `flatness` into it, before its last one: that line."""
    text = page.read_text(encoding="utf-8")
    rows = rows_of(text)
    lines = [line for line in text.splitlines() if not line.startswith(_HEAD)]
    place = next(number for number, line in enumerate(lines) if line.startswith(_LAST))
    before = lines[:place]
    while not before[-1]:
        before.pop()
    page.write_text("\n".join([*before, "", flatness(rows), "", *lines[place:]]) + "\n", encoding="utf-8")
    return flatness(rows)


def _kinds(rows: Sequence[Row]) -> dict[str, list[Row]]:
    return {kind: [row for row in rows if row["where"] == kind] for kind in dict.fromkeys(row["where"] for row in rows)}


def _thirds(of: Sequence[Row], name: str) -> tuple[float, float]:
    """The medians of the first and the last third."""
    third = len(of) // 3
    return median(row[name] for row in of[:third]), median(row[name] for row in of[-third:])


def _grown(rows: Sequence[Row]) -> Iterator[str]:
    for kind, of in _kinds(rows).items():
        for name, more in FLAT.items() if len(of) >= FEWEST else ():
            first, last = _thirds(of, name)
            if last > first + max(PART * first, more):
                yield f"{_spoken(name)} of sweeps {kind} grew from {first:g} to {last:g}"


def _told(of: Sequence[Row]) -> str:
    if len(of) < FEWEST:
        return f"{len(of)} of them, too few to tell"
    medians = {_spoken(name): _thirds(of, name) for name in FLAT}
    return ", ".join(f"{heading} {first:g}, then {last:g}" for heading, (first, last) in medians.items())


def _spoken(name: str) -> str:
    """A heading that stands for itself."""
    return COLUMNS[name].replace("its", "the server's").replace("temporary", "temporary folders")
