"""The pictures of a report and of a trial. One file each; this table is their order on the page."""

import math
from collections.abc import Sequence
from typing import Any

from resablate.figures import (
    block_sampling_lesion,
    closing_intervals,
    errors,
    lesion,
    multi_lesion,
    norm_by_depth,
    norm_over_training,
    norm_preservation,
    optimization_history,
    ordering_curves,
    parameter_importance,
    path_contribution,
    path_count,
    path_gradient,
    path_length,
    regularizer_strength,
    reorder,
    spectrum,
    training_curves,
)
from resablate.figures.drawing import drawn_points, save, styled
from resablate.figures.picture import Closing as Closing
from resablate.figures.picture import Picture as Picture
from resablate.figures.picture import Published as Published
from resablate.registry import Registry
from resablate.result import TrialResult
from resablate.sweep import SweepSpec

FIGURES: Registry[Picture[Any]] = Registry(
    "figure",
    "figures",
    {
        "errors": errors.PICTURE,
        "closing_intervals": closing_intervals.PICTURE,
        "optimization_history": optimization_history.PICTURE,
        "parameter_importance": parameter_importance.PICTURE,
        "regularizer_strength": regularizer_strength.PICTURE,
        "training_curves": training_curves.PICTURE,
        "ordering_curves": ordering_curves.PICTURE,
        "lesion": lesion.PICTURE,
        "block_sampling_lesion": block_sampling_lesion.PICTURE,
        "multi_lesion": multi_lesion.PICTURE,
        "reorder": reorder.PICTURE,
        "path_length": path_length.PICTURE,
        "path_gradient": path_gradient.PICTURE,
        "path_contribution": path_contribution.PICTURE,
        "path_count": path_count.PICTURE,
        "norm_preservation": norm_preservation.PICTURE,
        "norm_over_training": norm_over_training.PICTURE,
        "norm_by_depth": norm_by_depth.PICTURE,
        "spectrum": spectrum.PICTURE,
    },
)


def draw_files(
    name: str,
    results: Sequence[TrialResult],
    *,
    formats: Sequence[str],
    sweep: SweepSpec | None = None,
    published: Published | None = None,
    closings: Sequence[Closing] = (),
    most_svg_points: float = math.inf,
) -> dict[str, bytes]:
    """One picture as file contents by format; empty where the results hold nothing for it.

    Args:
        name: a row of FIGURES.
        results: what to draw.
        formats: `svg`, `png`.
        sweep: whose trials they are; what a search shows is drawn only with it.
        published: what was published of a trial; marks of it are drawn only with it.
        closings: of claims whose seeds came in rounds.
        most_svg_points: a picture of more drawn points gets no SVG.

    Raises:
        UnknownName: if no picture is called `name`.
    """
    picture = FIGURES[name]
    if picture.rounds_data:
        drawn = picture.rounds_data(closings)
    elif sweep and sweep.search.method != "grid" and picture.search_data:
        drawn = picture.search_data(results, sweep)
    elif published and picture.published_data:
        drawn = picture.published_data(results, published)
    else:
        drawn = picture.data(results)
    if drawn is None:
        return {}
    with styled():
        figure = picture.draw(drawn)
    fits = drawn_points(figure) <= most_svg_points
    files = {file_format: save(figure, file_format) for file_format in formats if fits or file_format != "svg"}
    figure.clear()  # its parts refer to each other, and a picture of many panels takes a hundred MB
    return files


def draw_png(name: str, results: Sequence[TrialResult]) -> bytes | None:
    """The picture as a PNG file, or None where the results hold nothing for it."""
    return draw_files(name, results, formats=["png"]).get("png")


def draw_all(result: TrialResult) -> dict[str, bytes]:
    """Name -> PNG of every picture of one trial's analyses.

    Its error is a number, and its training curves are metrics by epoch, which a tracker's own charts draw.
    """
    return {
        name: png for name in FIGURES if name not in ("errors", "training_curves") and (png := draw_png(name, [result]))
    }


def draw_svg(name: str, results: Sequence[TrialResult]) -> bytes | None:
    """The picture as an SVG file, or None where the results hold nothing for it."""
    return draw_files(name, results, formats=["svg"]).get("svg")
