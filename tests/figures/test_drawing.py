"""Every row of the table draws whatever it is given; nothing is drawn from nothing."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from resablate.errors import UnknownName
from resablate.figures import FIGURES, draw_files, draw_png, draw_svg, path_gradient
from resablate.figures.drawing import MOST_AXES, whole_numbers
from resablate.figures.layout import Quantity, panel_grid
from resablate.figures.variants import Panel
from resablate.result import TrialResult
from tests.factories import make_lesion, make_path_gradient, make_result, make_sweep_results

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
