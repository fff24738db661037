"""The pictures of a report: their files, and how its pages hold them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from resablate.claims import CLAIMS
from resablate.claims.arms import flat
from resablate.figures import FIGURES, Closing, draw_files
from resablate.result import TrialResult
from resablate.sweep import SweepSpec

_LARGEST_SVG = 300_000
"""Bytes of an SVG in the page; of a picture of many panels the PNG is smaller, and the SVG lies beside the page."""
_MOST_SVG_POINTS = 7_000
"""A picture of more is a PNG alone: as an SVG it would be of 300 kB to several MB, and take as long again to draw."""


@dataclass(frozen=True)
class Drawing:
    """One figure as the pages need it."""

    name: str
    file: str
    """In the folder of figures."""
    title: str
    caption: str
    address: str
    """`data:...`, for an image with a text of its own: the ids of SVGs in one page would clash."""


def write_figures(
    folder: Path,
    ordered: Sequence[TrialResult],
    proposed: Sequence[TrialResult],
    sweep: SweepSpec,
    *,
    closings: Sequence[Closing],
) -> list[Drawing]:
    """Draw every picture that the results have something for.

    Args:
        folder: which is made.
        ordered: the results in the order of the tables.
        proposed: the same in the order in which a search proposed them.
        sweep: whose they are.
        closings: of claims whose seeds came in rounds.
    """
    folder.mkdir()
    drawings: list[Drawing] = []
    published = published_errors()
    for name, picture in FIGURES.items():
        files = draw_files(
            name,
            proposed if picture.search_data else ordered,
            formats=["png", "svg"],
            sweep=sweep,
            published=published,
            closings=closings,
            most_svg_points=_MOST_SVG_POINTS,
        )
        for file_format, content in files.items():
            (folder / f"{name}.{file_format}").write_bytes(content)
        if files:
            file = f"{name}.{'svg' if 'svg' in files else 'png'}"
            drawings.append(Drawing(name, file, picture.title, picture.caption, _data_address(files)))
    return drawings


def _data_address(files: Mapping[str, bytes]) -> str:
    """The picture as an address that holds it: the SVG, or the PNG where that is smaller and the SVG large."""
    svg = "svg" in files and len(files["svg"]) <= max(_LARGEST_SVG, len(files["png"]))
    kind, content = ("svg+xml", files["svg"]) if svg else ("png", files["png"])
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def published_errors() -> Callable[[TrialResult], str | None]:
    """A trial -> the published numbers that stand for it in everything, or None."""
    rows = list({id(row): row for claim in CLAIMS.values() for row in claim.published}.values())

    def published(result: TrialResult) -> str | None:
        params = flat(result.spec)
        found = dict.fromkeys(f"{row.text} ({row.source})" for row in rows if row.stands_for(params))
        return "; ".join(found) or None

    return published
