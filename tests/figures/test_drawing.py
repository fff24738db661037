"""Every row of the table draws whatever it is given; nothing is drawn from nothing."""

from io import BytesIO
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from resablate.errors import UnknownName
from resablate.figures import FIGURES, draw_files, draw_png, draw_svg, path_gradient
from resablate.figures.curves import Curve, Replicate
from resablate.figures.drawing import MOST_AXES, draw_curves, whole_numbers
from resablate.figures.errors import data, draw
from resablate.figures.layout import Quantity, panel_grid
from resablate.figures.variants import Panel, arrange
from resablate.result import TrialResult
from tests.factories import make_lesion, make_path_gradient, make_result, make_sweep_results

PANEL = Panel("digits", "", 20, "")
PNG = b"\x89PNG\r\n"
CASES: dict[str, list[TrialResult]] = {
    "one": make_sweep_results(depths=[20], seeds=1)[:1],
    "many": make_sweep_results(depths=[20, 32], seeds=2)
    + [make_result(depth=20, regularizer={"name": "procrustes", "strength": v}) for v in (1e-4, 1.0)]
    + [make_result(depth=20, ordering="full_preactivation")]
    + [make_result(block_sampling="stochastic_depth", analyses={"lesion": make_lesion([0.5] * 9, baseline=0.1)})],
    "crossed": make_sweep_results(depths=[14, 20], orderings=["original", "full_preactivation"], seeds=1),
    "diverged": [make_result(status="diverged", losses=[])],
    "bare": [make_result(losses=[])],
    "zeros": [
        make_result(
            error=0.0,
            losses=[0.0],
            analyses={"lesion": make_lesion([0.0], baseline=0.0), "path_gradient": make_path_gradient([0, 1e-40])},
        )
    ],
    "networks": [make_result(network="vgg", depth=15), *make_sweep_results(depths=[20], seeds=1)],
    "foreign": [make_result(shortcut="of_another_package", dataset="elsewhere")],
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", FIGURES)
def test_every_picture_draws_or_is_left_out(name: str, case: str) -> None:
    picture = draw_png(name, CASES[case])
    assert picture is None or picture.startswith(PNG)
    assert (picture is None) == (FIGURES[name].data(CASES[case]) is None)


def test_the_whole_sweep_has_every_picture_that_is_of_no_search_and_no_rounds() -> None:
    missing = [name for name in FIGURES if FIGURES[name].data(CASES["many"]) is None]
    assert missing == ["closing_intervals", "optimization_history", "parameter_importance"]


@pytest.mark.parametrize("name", FIGURES)
def test_every_picture_says_what_it_shows(name: str) -> None:
    assert FIGURES[name].title
    assert FIGURES[name].caption.endswith(".")


def test_svg_is_well_formed_and_the_same_each_time() -> None:
    first = draw_svg("lesion", CASES["one"])
    assert first is not None
    assert ElementTree.fromstring(first).tag.endswith("svg")
    assert draw_svg("lesion", CASES["one"]) == first


def mean_curve(low: float, high: float) -> Curve:
    trainings = (Replicate((0, 1), (10, 20)), Replicate((0, 1), (12, 22)))
    return Curve(PANEL, arrange([make_result()])[0].series, "error", (0, 1), (11, 21), (low, 8), (high, 34), trainings)


@pytest.mark.parametrize(("low", "high", "cut"), [(9, 13, []), (1, 30, []), (-200, 30, ["interval cut"])])
@pytest.mark.parametrize("log", [False, True])
def test_an_axis_reaches_over_intervals_while_trainings_stay_readable(
    low: float, high: float, cut: list[str], log: bool
) -> None:
    canvas = draw_curves([mean_curve(low, high)], {"error": Quantity("error", log=log)}, x_label="block")
    axes = canvas.axes[PANEL, "error"]
    bottom, top = axes.get_ylim()
    assert top > 34
    if log and low == 1:  # a decade below trainings that span a third of one
        cut = ["interval cut"]
    assert [text.get_text() for text in axes.texts] == cut
    assert cut or bottom < min(low, 8)
    position = axes.transLimits.transform
    assert position((0, 22))[1] - position((0, 10))[1] > 0.2


def test_a_faint_band_is_seen_in_a_png() -> None:
    """The gray one of the black series, a fifteenth as dark, beside those of five others."""
    results = make_sweep_results(depths=[20, 32], seeds=2)
    with Image.open(BytesIO(draw_png("multi_lesion", results) or b"")) as image:
        shades = image.convert("L").histogram()
    ground = max(range(256), key=shades.__getitem__)
    assert ground > 250
    assert sum(shades[ground - 16 : ground - 8]) > 0.03 * sum(shades)


def test_errors_have_their_intervals_in_the_picture() -> None:
    for errors in ([0.10, 0.14], [0.02, 0.30]):
        rows = data([make_result(seed=seed, error=error, dataset="elsewhere") for seed, error in enumerate(errors)])
        assert rows is not None
        low, high = draw(rows).axes[0].get_xlim()
        [row] = rows.rows
        assert low < 100 * min(errors) < 100 * max(errors) < high
        assert low < row.low < row.high < high or "interval cut" in [
            text.get_text() for text in draw(rows).axes[0].texts
        ]


def test_long_names_stand_below_each_other() -> None:
    kinds = ("procrustes", "spectral_penalty", "orthogonal_penalty")
    named = [{"name": kind, "layers": "stem+transitions", "strength": v} for kind in kinds for v in (0.01, 0.1)]
    rows = data([make_result(), *(make_result(regularizer=one) for one in named)])
    assert rows is not None
    figure = draw(rows)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [label.get_window_extent(renderer) for label in figure.axes[0].get_yticklabels()]
    ordered = sorted(boxes, key=lambda box: float(box.y0))
    assert all(below.y1 <= above.y0 for below, above in pairwise(ordered))


def test_no_analysis_no_picture() -> None:
    assert draw_files("lesion", [make_result()], formats=["svg", "png"]) == {}
    assert draw_svg("path_gradient", [make_result()]) is None


def test_published_numbers_are_drawn_where_they_are_given() -> None:
    plain = draw_files("errors", CASES["one"], formats=["svg"])["svg"]
    marked = draw_files("errors", CASES["one"], formats=["svg"], published=lambda result: "6.61 %")["svg"]
    assert marked != plain
    assert draw_files("lesion", CASES["one"], formats=["svg"], published=lambda result: "6.61 %")


def test_many_panels_have_the_first_quantity_alone() -> None:
    results = [
        result for depth in range(8, 8 + 6 * 13, 6) for result in make_sweep_results(depths=[depth], seeds=1)[:1]
    ]
    curves = path_gradient.data(results)
    assert curves is not None
    assert len(path_gradient.draw(curves).axes) == 2 * 13
    assert 3 * 13 > MOST_AXES


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    with pytest.raises(UnknownName, match="unknown figure 'lesions'; did you mean 'lesion'"):
        draw_png("lesions", [])


@pytest.mark.parametrize("longest", [9, 54, 880, 78_125, 2_400_000])
def test_ticks_of_counts_have_room_beside_each_other(longest: int) -> None:
    canvas = panel_grid(
        [Panel("digits", "", depth, f"depth {depth}") for depth in (20, 56)], {"loss": Quantity("loss")}
    )
    renderer = FigureCanvasAgg(canvas.figure).get_renderer()
    for axes in canvas.axes.values():
        axes.plot([0, longest], [0, 1])
        whole_numbers(axes)
        boxes = [label.get_window_extent(renderer) for label in axes.get_xticklabels()]
        assert len(boxes) > 2
        assert all(one.x1 < other.x0 for one, other in pairwise(boxes))
