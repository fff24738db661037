"""What the pictures show, checked by numbers."""

import math
from collections import Counter
from dataclasses import replace
from statistics import stdev
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from resablate.check import steps_per_epoch
from resablate.component import Component
from resablate.figures import (
    block_sampling_lesion,
    errors,
    lesion,
    multi_lesion,
    norm_by_depth,
    norm_over_training,
    norm_preservation,
    ordering_curves,
    path_contribution,
    path_count,
    path_gradient,
    path_length,
    regularizer_strength,
    reorder,
    spectrum,
    training_curves,
)
from resablate.figures.drawing import PALETTE, color_of
from resablate.figures.histories import draw_histories
from resablate.figures.interval_tables import error_table, summary_table, with_intervals
from resablate.figures.parameters import varying
from resablate.figures.tables import Kind, Table, raw_table, replicates, show
from resablate.figures.variants import DISTINGUISHABLE, arrange, arrange_shared
from resablate.measurement import AnalysisResult, Outcomes
from resablate.result import TrialResult
from resablate.shortcuts import SHORTCUTS
from resablate.spec import TrainSpec
from tests.factories import (
    make_lesion,
    make_multi_lesion,
    make_norm_preservation,
    make_outcomes,
    make_path_count,
    make_path_gradient,
    make_reorder,
    make_result,
    make_spectrum,
    without_validation,
)


def regularized(strength: float, name: str = "procrustes", **fields: Any) -> TrialResult:
    return make_result(regularizer={"name": name, "strength": strength}, **fields)


def test_replicates_are_one_series_and_differing_arguments_are_not() -> None:
    results = [make_result(shortcut={"name": "exclusive_gate", "bias": b}, seed=s) for b in (-3, -6) for s in (0, 1)]
    members = arrange(results)
    assert [m.series.label for m in members] == ["exclusive_gate (bias=-6)"] * 2 + ["exclusive_gate (bias=-3)"] * 2
    assert [m.series.style for m in members] == [0, 0, 1, 1]
    assert varying([result.spec for result in results[::2]]) == ("shortcut.bias",)


def test_series_come_in_the_order_of_the_table_and_panels_by_ordering_and_depth() -> None:
    results = [
        make_result(shortcut=s, depth=d, ordering=o)
        for s in reversed(list(SHORTCUTS))
        for o in ("full_preactivation", "original")
        for d in (56, 20)
    ]
    members = arrange(results)
    assert list(dict.fromkeys(m.series.name for m in members)) == list(SHORTCUTS)
    assert [m.panel.label for m in members[:4]] == [
        "original, depth 20",
        "original, depth 56",
        "full_preactivation, depth 20",
        "full_preactivation, depth 56",
    ]


def test_a_field_of_many_values_is_pooled_and_its_range_named() -> None:
    results = [make_result(learning_rate=0.5 * (n + 1)) for n in range(DISTINGUISHABLE + 1)]
    assert {m.series.label for m in arrange(results)} == {"identity (learning_rate=0.5 to 4.5)"}
    labels = [m.series.label for m in arrange(results[:2])]
    assert labels == ["identity (learning_rate=0.5)", "identity (learning_rate=1)"]


def test_every_shortcut_has_its_own_color() -> None:
    members = arrange([make_result(shortcut=name) for name in SHORTCUTS])
    assert len({color_of(member.series) for member in members}) == min(len(SHORTCUTS), len(PALETTE))
    assert color_of(members[0].series) == "#0072B2"


def test_where_all_have_one_shortcut_every_series_has_its_own_color() -> None:
    members = arrange([make_result(shortcut="conv1x1", ordering="original", learning_rate=rate) for rate in (1, 2, 3)])
    assert len({color_of(member.series) for member in members}) == 3


def test_a_swept_value_is_shown_where_it_is_the_default_too() -> None:
    gates = [make_result(shortcut={"name": "exclusive_gate", "bias": bias}) for bias in (0, -6)]
    results = [make_result(), *gates]
    assert [m.series.label for m in arrange(results)] == [
        "identity",
        "exclusive_gate (bias=-6)",
        "exclusive_gate (bias=0)",
    ]
    table = Table(
        dict.fromkeys(replicates(results)[0].fields, "text"), [[*g.fields.values()] for g in replicates(results)]
    )
    assert list(table.columns) == ["shortcut", "shortcut.bias", "depth"]
    assert table.shown() == [["identity", "-", "20"], ["exclusive_gate", "-6", "20"], ["exclusive_gate", "0", "20"]]


def test_arguments_that_tell_nothing_apart_are_not_shown() -> None:
    specs = [make_result(shortcut=name).spec for name in ("identity", "exclusive_gate", "conv1x1")]
    assert varying(specs) == ("shortcut",)
    other = make_result(shortcut={"name": "exclusive_gate", "bias": -3}).spec
    assert varying([specs[0], other]) == ("shortcut", "shortcut.bias")


def test_networks_are_told_apart_by_their_names() -> None:
    vgg, resnet = make_result(network="vgg", depth=15), make_result(depth=110)
    assert [m.series.label for m in arrange([vgg, resnet])] == ["resnet", "vgg"]
    assert [m.panel.label for m in arrange([vgg, resnet])] == ["original, depth 110", "depth 15"]
    with_gate = [vgg, resnet, make_result(depth=110, shortcut="exclusive_gate")]
    assert [m.series.label for m in arrange(with_gate)] == ["resnet identity", "resnet exclusive_gate", "vgg"]
    assert len({color_of(m.series) for m in arrange(with_gate)}) == 3
    assert [m.series.label for m in arrange([vgg])] == ["vgg"]
    rows = replicates([vgg, resnet])
    assert [(row.fields["network"], row.fields["shortcut"]) for row in rows] == [("resnet", "identity"), ("vgg", None)]


def test_data_of_one_name_and_other_content_are_no_replicates() -> None:
    results = [
        make_result(dataset=Component("image_folder", {}, {}, identity), seed=seed)
        for identity in ("content 1", "content 2")
        for seed in (0, 1)
    ]
    assert [m.series.label for m in arrange(results)] == [
        "identity (dataset.identity=content 1)",
        "identity (dataset.identity=content 1)",
        "identity (dataset.identity=content 2)",
        "identity (dataset.identity=content 2)",
    ]
    assert [len(group.results) for group in replicates(results)] == [2, 2]
    named = [make_result(dataset=Component(name, {}, {}, name)).spec for name in ("digits", "cifar10")]
    assert varying(named) == ("dataset",), "the names tell them apart"


def test_arranging_looks_at_each_result_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[TrainSpec] = []
    params = TrainSpec.params
    monkeypatch.setattr(TrainSpec, "params", lambda spec: calls.append(spec) or params(spec))
    results = [make_result(learning_rate=0.001 * (n + 1), seed=s) for n in range(50) for s in range(2)]
    calls.clear()
    assert len(arrange(results)) == 100
    assert len(calls) <= 2 * 50, "twice for each cell"


def test_errors_are_percent_with_mean_interval_diverged_and_chance() -> None:
    results = [make_result(error=e, seed=s) for s, e in enumerate([0.1, 0.3, 0.2])]
    results += [make_result(shortcut="none", status="diverged"), make_result(shortcut="dropout", status="failed")]
    drawn = errors.data(results)
    assert drawn is not None
    identity, none = drawn.rows
    assert identity.errors == pytest.approx((10, 30, 20))
    assert identity.mean == pytest.approx(20)
    # By hand: logit(0.2) = -1.386, its slope 1 / 0.16; sd 0.1 of three gives 0.0577, and t of two degrees 4.303.
    half = 4.3027 * 0.1 / math.sqrt(3) / 0.16
    ends = [100 / (1 + math.exp(1.386294 - by)) for by in (-half, half)]
    assert (identity.low, identity.high) == pytest.approx(ends, rel=1e-3)
    assert (none.series.name, none.errors, none.diverged) == ("none", (), 1)
    assert math.isnan(none.mean)
    assert list(drawn.chance.values()) == pytest.approx([90])


def test_an_interval_counts_test_examples_where_their_outcomes_are_known() -> None:
    wrong = np.zeros((2, 100), dtype=bool)
    wrong[:, :10] = True  # both seeds fail at the same ten: no spread of seeds at all
    results: list[TrialResult] = []
    for seed, row in enumerate(wrong):
        result = make_result(error=0.1, seed=seed)
        (test,) = result.measurements
        told = replace(test.result, outcomes=Outcomes.of(row, examples="abc"))
        results.append(result.model_copy(update={"measurements": (replace(test, result=told),)}))
    drawn = errors.data(results)
    assert drawn is not None
    (row,) = drawn.rows
    assert row.mean == pytest.approx(10)
    assert 4 < row.low < 10 < row.high < 20
    without = errors.data([make_result(error=0.1, seed=seed) for seed in range(2)])
    assert without is not None
    assert math.isnan(without.rows[0].low), "equal numbers tell nothing of the noise"


def test_published_numbers_are_marked_where_one_stands_for_the_row() -> None:
    texts = {"identity": "identity 6.61 % (Table 1)", "none": "no shortcut: fail (Table 1)"}
    results = [make_result(shortcut=name) for name in ("identity", "none", "conv1x1")]
    drawn = errors.data(results, lambda result: texts.get(result.spec.shortcut.name))
    assert drawn is not None
    assert [row.published for row in drawn.rows] == [6.61, None, math.inf]
    errors.draw(drawn)
    without = errors.data(results)
    assert without is not None
    assert {row.published for row in without.rows} == {None}


def test_guessing_is_among_the_classes_that_the_test_had() -> None:
    folder = {"dataset": "image_folder"}
    drawn = errors.data([make_result(classes=4, **folder), make_result(seed=1, classes=4, **folder)])
    assert drawn is not None
    assert list(drawn.chance.values()) == pytest.approx([75])
    unknown = [make_result(**folder), make_result(seed=1, status="diverged", **folder)]
    mixed = [make_result(classes=4, **folder), make_result(seed=1, classes=5, **folder)]
    for results in (unknown, mixed):
        drawn = errors.data(results)
        assert drawn is not None
        assert drawn.chance == {}
        errors.draw(drawn)


def test_lesions_hold_mean_interval_trainings_baseline_and_changing_blocks() -> None:
    results = [
        make_result(seed=s, analyses={"lesion": make_lesion([0.2 + d, 0.4 + d, 0.3], baseline=0.1 + d, changing=[1])})
        for s, d in enumerate([0.0, 0.03, 0.09])
    ]
    drawn = lesion.data([*results, make_result(seed=9)])
    assert drawn is not None
    (curve,) = drawn.errors
    assert (curve.x, drawn.relative) == ((0, 1, 2), False)
    assert curve.mean == pytest.approx((24, 44, 30))
    assert curve.low[0] < 20
    assert curve.high[0] > 29
    assert math.isnan(curve.low[2]), "three equal numbers tell nothing of the noise"
    assert [one.y for one in curve.replicates] == [pytest.approx(y) for y in ((20, 40, 30), (23, 43, 30), (29, 49, 30))]
    assert curve.trials == 3
    assert drawn.baselines[0].mean == pytest.approx((14,))
    assert list(drawn.changing.values()) == [(1,)]


def test_networks_and_depths_share_the_axes_of_lesions() -> None:
    def lesioned(blocks: int, **fields: Any) -> TrialResult:
        return make_result(analyses={"lesion": make_lesion([0.5] * blocks, baseline=0.1, changing=[2])}, **fields)

    residual = [lesioned(9, depth=20), lesioned(15, depth=32), lesioned(9, depth=20, shortcut="none")]
    drawn = lesion.data([*residual, lesioned(5, network="vgg", depth=6)])
    assert drawn is not None
    assert len({curve.panel for curve in drawn.errors}) == 1
    labels = [curve.series.label for curve in drawn.errors]
    assert labels == [
        "resnet identity (depth=20)",
        "resnet identity (depth=32)",
        "resnet none (depth=20)",
        "vgg (depth=6)",
    ]
    assert drawn.relative
    assert drawn.errors[-1].x == (0, 0.25, 0.5, 0.75, 1)
    assert list(drawn.changing.values())[-1] == (0.5,)


def test_intervals_of_summaries_end_where_no_number_can_lie() -> None:
    """Two seeds far apart: an interval of Student's t with one degree of freedom reaches far beyond 0 and 1."""
    lesions = [make_lesion([error] * 3, baseline=0.02) for error in (0.3, 0.9)]
    results = [make_result(seed=seed, analyses={"lesion": lesion}) for seed, lesion in enumerate(lesions)]
    table = summary_table(replicates(results), "lesion")
    [row] = table.rows
    ends = {name: row[place] for place, name in enumerate(table.columns)}
    assert (ends["mean_error_low"], ends["mean_error_high"]) == (0.0, 1.0)
    assert (ends["mean_increase_low"], ends["mean_increase_high"]) == (-1.0, 1.0), "an increase may be a decrease"
    one = summary_table(replicates(results[:1]), "lesion")
    [row] = one.rows
    assert row[list(one.columns).index("mean_error_low")] is None, "one seed has no interval at all"


def test_a_vgg_stands_in_the_panel_of_every_ordering_and_depth_that_cannot_share() -> None:
    many = [
        make_result(depth=depth, ordering=ordering, shortcut=shortcut)
        for depth in (8, 14, 20)
        for ordering in ("original", "full_preactivation")
        for shortcut in ("identity", "none", "conv1x1")
    ]
    members = arrange_shared([*many, make_result(network="vgg", depth=6)])
    by_panel = Counter(member.panel.label for member in members)
    assert len(by_panel) == 6
    assert set(by_panel.values()) == {4}, "three shortcuts and the VGG"
    few = arrange_shared([*many[:6], make_result(network="vgg", depth=6)])
    assert Counter(member.panel.label for member in few) == {"original": 4, "full_preactivation": 4}


def test_lesions_are_compared_by_the_sampling_of_blocks() -> None:
    def lesioned(sampling: str, seed: int = 0, **fields: Any) -> TrialResult:
        analyses = {"lesion": make_lesion([0.5, 0.4], baseline=0.1)}
        return make_result(analyses=analyses, block_sampling=sampling, seed=seed, **fields)

    alone = lesioned("all", shortcut="conv1x1")
    results = [lesioned(name, seed) for name in ("all", "stochastic_depth") for seed in (0, 1)]
    drawn = block_sampling_lesion.data([*results, alone])
    assert drawn is not None
    assert [(c.series.label, c.trials) for c in drawn.errors] == [
        ("identity (block_sampling=all)", 2),
        ("identity (block_sampling=stochastic_depth)", 2),
    ]
    assert block_sampling_lesion.data([*results[:2], alone]) is None
    every = lesion.data([*results, alone])
    assert every is not None
    assert [curve.series.label for curve in every.errors] == ["identity", "conv1x1"]
    only = lesion.data(results[2:])
    assert only is not None


def test_sets_of_lesions_hold_the_quartiles_over_the_sets() -> None:
    results = [
        make_result(seed=s, analyses={"multi_lesion": make_multi_lesion([0.1 + d, 0.2 + d, 0.4], spread=0.05)})
        for s, d in enumerate([0.0, 0.03, 0.09])
    ]
    drawn = multi_lesion.data([*results, make_result(seed=9)])
    assert drawn is not None
    every, kept = drawn.medians
    assert (every.quantity, every.x, every.trials) == ("error", (1, 2, 3), 3)
    assert every.mean == pytest.approx((14, 24, 40))
    assert [curve.mean for curve in drawn.quartiles if curve.quantity == "error"] == [
        pytest.approx((9, 19, 35)),
        pytest.approx((19, 29, 45)),
    ]
    assert (kept.quantity, kept.x) == ("same_dimension_error", (1, 2)), "there are no three such blocks"
    assert kept.mean == pytest.approx((7, 12))
    assert multi_lesion.data([make_result()]) is None


def test_orders_are_drawn_over_tau_with_the_quartiles_over_the_orders() -> None:
    results = [
        make_result(seed=s, analyses={"reorder": make_reorder(bins)})
        for s, bins in enumerate([{0: 0.1, 3: 0.2}, {0: 0.12, 5: 0.5}, {0: 0.2}])
    ]
    drawn = reorder.data(results)
    assert drawn is not None
    (curve,) = drawn.medians
    assert curve.x == pytest.approx((0.9, 0.94, 1))
    assert curve.mean == pytest.approx((50, 20, 14))
    assert [one.mean for one in drawn.quartiles] == [pytest.approx((49, 19, 13)), pytest.approx((51, 21, 15))]
    assert [one.x for one in curve.replicates] == [pytest.approx(x) for x in ((0.94, 1), (0.9, 1), (1,))]
    assert reorder.data([results[2]]) is None, "no block changed its place"


def test_zero_norms_are_left_out_of_logarithmic_axes() -> None:
    drawn = path_gradient.data([make_result(analyses={"path_gradient": make_path_gradient([0, 0, 1e-30])})])
    assert drawn is not None
    assert {(curve.quantity, curve.x) for curve in drawn.trained} == {
        ("norm", (2,)),
        ("sampled_norm", (2,)),
        ("rms_norm", (2,)),
    }
    assert drawn.initial == ()
    assert path_gradient.data([make_result(analyses={"path_gradient": make_path_gradient([0, 0])})]) is None


def test_contributions_stand_beside_the_binomial_distribution() -> None:
    plain = make_result(shortcut="none", analyses={"path_gradient": make_path_gradient([0, 0, 1])})
    drawn = path_contribution.data([plain, make_result(analyses={"path_gradient": make_path_gradient([1, 1, 1])})])
    assert drawn is not None
    assert [curve.quantity for curve in drawn.gradient] == ["contribution", "rms_contribution", "sum_contribution"]
    for curve in drawn.gradient:
        assert curve.series.name == "identity"
        assert curve.mean == pytest.approx((25, 50, 25))
    assert next(iter(drawn.paths.values())) == pytest.approx((25, 50, 25))
    assert path_contribution.data([plain]) is None


def test_the_network_before_training_stands_behind_the_trained_one() -> None:
    early = {0: {"path_gradient": make_path_gradient([4, 2, 1])}, 1: {"path_gradient": make_path_gradient([9, 9, 9])}}
    results = [
        make_result(analyses={"path_gradient": make_path_gradient([1, 1, 1])}, analyses_by_epoch=early),
        make_result(analyses={"path_gradient": make_path_gradient([1, 1, 1])}, seed=1),
    ]
    norms = path_gradient.data(results)
    assert norms is not None
    assert {curve.quantity: (curve.mean, curve.trials) for curve in norms.initial}["rms_norm"] == (
        pytest.approx((4, 2, 1)),
        1,
    )
    shares = path_contribution.data(results)
    assert shares is not None
    assert next(c.mean for c in shares.initial if c.quantity == "contribution") == pytest.approx(
        (400 / 9, 400 / 9, 100 / 9)
    )


def test_paths_are_counted_once_for_each_number_of_blocks() -> None:
    results = [
        make_result(shortcut=shortcut, depth=6 * blocks // 3 + 2, analyses={"path_count": make_path_count(blocks)})
        for shortcut in ("identity", "none")
        for blocks in (3, 6)
    ]
    drawn = path_count.data(results)
    assert drawn is not None
    assert [panel.label for panel in drawn] == ["3 blocks", "6 blocks"]
    small = next(iter(drawn.values()))
    assert small.share == pytest.approx((12.5, 37.5, 37.5, 12.5))
    assert small.left == {1: pytest.approx((100, 200 / 3, 100 / 3, 0))}
    assert path_count.data([make_result()]) is None


def test_networks_of_one_path_have_no_counts_to_draw() -> None:
    counted = make_path_count(3)
    plain = replace(counted, table={**counted.table, "share": [0, 0, 0, 1]})
    results = [make_result(shortcut="none", analyses={"path_count": plain})]
    assert path_count.data(results) is None
    assert path_length.data(results) is None


def test_the_lengths_of_paths_are_drawn_once_for_each_number_of_blocks() -> None:
    results = [
        make_result(seed=s, analyses={"path_count": make_path_count(blocks)}) for s, blocks in enumerate((6, 3, 3))
    ]
    drawn = path_length.data(results)
    assert drawn is not None
    assert list(drawn) == [3, 6]
    assert drawn[3].share == pytest.approx((12.5, 37.5, 37.5, 12.5))
    assert (drawn[3].shortest, drawn[3].longest) == (0, 3)


def test_ratios_by_block_with_the_parts_of_blocks() -> None:
    measured = make_norm_preservation([1, 2, 0.5], changing=[0, 2])
    parts = {"behind_entry_ratio": [math.nan, math.nan, 3.0], "transition_median_log_ratio": [0.25, math.nan, math.nan]}
    measured = replace(
        measured,
        table={**measured.table, **parts},
        units={**measured.units, **dict.fromkeys(parts, "1")},
        axes={**measured.axes, **dict.fromkeys(parts, "block")},
    )
    drawn = norm_preservation.data([make_result(analyses={"norm_preservation": measured}), make_result(seed=1)])
    assert drawn is not None
    assert {curve.quantity: (curve.x, curve.mean) for curve in drawn.curves} == {
        "ratio": ((0, 1, 2), pytest.approx((1, 2, 0.5))),
        "median_log_ratio": ((1, 2), pytest.approx((math.log(2), math.log(2)))),
    }
    assert {curve.quantity: (curve.x, curve.mean) for curve in drawn.parts} == {
        "behind_entry_ratio": ((2,), pytest.approx((3,))),
        "transition_median_log_ratio": ((0,), pytest.approx((0.25,))),
    }
    assert [list(blocks) for blocks in drawn.changing.values()] == [[0, 2]]
    norm_preservation.draw(drawn)
    assert norm_preservation.data([make_result()]) is None


def test_ratios_are_averaged_on_logarithms() -> None:
    results = [
        make_result(seed=s, analyses={"norm_preservation": make_norm_preservation([r, 2])})
        for s, r in enumerate((2, 8))
    ]
    drawn = norm_preservation.data(results)
    assert drawn is not None
    ratio = drawn.curves[0]
    assert ratio.mean == pytest.approx((4, 2))
    # By hand: ln 2 and ln 8 have a standard error of ln 2, and t of one degree of freedom is 12.706.
    assert ratio.high[0] == pytest.approx(4 * math.exp(12.7062 * math.log(2)), rel=1e-3)
    assert ratio.low[0] == pytest.approx(4 * math.exp(-12.7062 * math.log(2)), rel=1e-3)
    assert math.isnan(ratio.low[1])


def test_ratios_are_followed_over_training_where_dimensions_change() -> None:
    analysis = {"norm_preservation": make_norm_preservation([1, 2, 0.5], changing=[0, 2])}
    early = {
        epoch: {"norm_preservation": make_norm_preservation([4 - epoch, 9, 3], changing=[0, 2])} for epoch in (0, 1)
    }
    drawn = norm_over_training.data([make_result(analyses=analysis, analyses_by_epoch=early), make_result(seed=1)])
    assert drawn is not None
    ratios = {c.quantity: (c.x, pytest.approx(c.mean)) for c in drawn if "mean" not in c.quantity}
    assert ratios == {
        "goes from 32 to 16 pixels": ((0, 1, 3), (4, 3, 1)),  # three epochs of training
        "goes from 16 to 8 pixels": ((0, 1, 3), (3, 3, 0.5)),
    }
    sizes = next(c for c in drawn if c.quantity == "same_dimension_mean_median_log_ratio")
    assert sizes.mean[0] == pytest.approx((math.log(4) + math.log(9) + math.log(3)) / 3)
    # A bottleneck network widens in its first block: what follows is compared with what does the same to an image.
    wide = make_norm_preservation([9, 9, 9], changing=[0, 1, 2])
    wide = replace(wide, table={**wide.table, "in_height": [32, 32, 16], "out_height": [32, 16, 8]})
    other = make_result(
        shortcut="conv1x1", analyses={"norm_preservation": wide}, analyses_by_epoch={0: {"norm_preservation": wide}}
    )
    both = norm_over_training.data([make_result(analyses=analysis, analyses_by_epoch=early), other])
    assert both is not None
    followed = [(curve.series.name, curve.quantity) for curve in both if "pixels" in curve.quantity]
    assert [name for name, quantity in followed if "widens" in quantity] == ["conv1x1"]
    assert len(followed) == 5
    norm_over_training.draw(both)
    assert norm_over_training.data([make_result(analyses=analysis)]) is None, "one epoch"


def test_sizes_over_depths_have_the_slope_of_their_bound() -> None:
    def measured(blocks: int, seed: int) -> TrialResult:
        size = 2 * norm_by_depth.bound(blocks) * (1.1 if seed else 1 / 1.1)
        ratios = [math.exp(size)] * blocks
        return make_result(
            depth=2 * blocks + 2, seed=seed, analyses={"norm_preservation": make_norm_preservation(ratios)}
        )

    results = [measured(blocks, seed) for blocks in (3, 9, 27) for seed in (0, 1)]
    drawn = norm_by_depth.data(results)
    assert drawn is not None
    (curve,) = drawn.curves
    assert curve.x == pytest.approx([math.log(2 * blocks) / blocks for blocks in (27, 9, 3)])
    assert curve.mean == pytest.approx([2 * x for x in curve.x])
    (fit,) = drawn.fits
    assert fit.slope == pytest.approx(1)
    assert (fit.low, fit.high) == pytest.approx((1, 1)) or math.isinf(fit.high), "the means lie on the line"
    assert [y for _, y in fit.line] == pytest.approx([2 * curve.x[0], 2 * curve.x[-1]])
    two = norm_by_depth.data(results[:4])
    assert two is not None
    assert two.fits == ()
    assert norm_by_depth.data(results[:2]) is None


def test_training_curves_are_over_iterations_and_use_each_epochs_trials() -> None:
    results = [make_result(losses=[4, 2]), make_result(losses=[1], seed=1, status="diverged")]
    drawn = training_curves.data(results)
    assert drawn is not None
    loss = next(curve for curve in drawn.curves if curve.quantity == "train_loss")
    steps = steps_per_epoch(results[0].spec)
    assert (drawn.x_label, loss.x, loss.mean) == ("iterations", (steps, 2 * steps), pytest.approx((2, 2)))
    assert [one.y for one in loss.replicates] == [(4, 2), (1,)]
    cut = training_curves.data([make_result(losses=[4, 2], iterations=steps + 1)])
    assert cut is not None
    assert cut.curves[0].x == (steps, steps + 1), "the last epoch is cut off"
    unknown = training_curves.data([make_result(dataset="elsewhere"), *results])
    assert unknown is not None
    assert unknown.x_label == "epoch"


def test_training_curves_have_a_validation_error_where_images_are_held_out_alone() -> None:
    held_out = [make_result(losses=[4, 2]), make_result(losses=[4, 2], depth=14)]
    results = [held_out[0], without_validation(held_out[1])]
    drawn = training_curves.data(results)
    assert drawn is not None
    assert {(curve.quantity, curve.panel) for curve in drawn.curves if curve.quantity == "val_error"} == {
        ("val_error", next(curve.panel for curve in drawn.curves if curve.quantity == "val_error"))
    }
    for found, axes in ((results, 3), ([without_validation(result) for result in held_out], 2), (held_out, 4)):
        drawn = training_curves.data(found)
        assert drawn is not None
        assert len(draw_histories(drawn).axes) == axes


def test_orderings_are_compared_with_identity_shortcuts_alone() -> None:
    results = [
        make_result(ordering=ordering, shortcut=shortcut, depth=depth)
        for ordering, depth in (("original", 20), ("full_preactivation", 20), ("original", 56))
        for shortcut in ("identity", "none")
    ]
    drawn = ordering_curves.data(results)
    assert drawn is not None
    assert {curve.panel.depth for curve in drawn.curves} == {20}
    assert list(dict.fromkeys(curve.series.label for curve in drawn.curves)) == [
        "identity (ordering=original)",
        "identity (ordering=full_preactivation)",
    ]
    assert ordering_curves.data(results[:2]) is None


def test_strengths_are_the_horizontal_axis() -> None:
    drawn = regularizer_strength.data([regularized(v, error=0.1 + v, seed=s) for v in (0, 0.5) for s in (0, 1)])
    assert drawn is not None
    assert [(curve.x, curve.mean) for curve in drawn.curves] == [((0, 0.5), pytest.approx((10, 60)))]
    assert regularizer_strength.data([regularized(0.5)]) is None
    assert regularizer_strength.data([make_result(), make_result(learning_rate=0.5)]) is None


def test_no_regularizer_is_strength_zero_of_each_one() -> None:
    results = [make_result(), *(regularized(v, name) for v in (0.5, 1) for name in ("procrustes", "spectral_penalty"))]
    drawn = regularizer_strength.data([*results, make_result(depth=26)])
    assert drawn is not None
    assert [(curve.series.label, curve.x) for curve in drawn.curves] == [
        ("identity (regularizer=procrustes)", (0, 0.5, 1)),
        ("identity (regularizer=spectral_penalty)", (0, 0.5, 1)),
    ], "at depth 26 there is nothing to compare"


def test_spectra_before_and_after_training_are_means_over_the_trials() -> None:
    results = [
        make_result(
            seed=seed,
            analyses={"spectrum": make_spectrum([value, 4.0], target=2.0)},
            analyses_by_epoch={5: {"spectrum": make_spectrum([9.0, 9.0])}, 1: {"spectrum": make_spectrum([1.0, 2.0])}},
        )
        for seed, value in enumerate([1.0, 2.0, 6.0])
    ]
    results.append(make_result(shortcut="conv1x1", analyses={"spectrum": make_spectrum([3.0, 3.0])}))
    drawn = spectrum.data([*results, make_result(shortcut="none")])
    assert drawn is not None
    identity, conv1x1 = drawn
    assert identity.before is not None
    assert identity.after is not None
    assert identity.before.columns["median"] == (1, 2)
    assert identity.after.layer == (0, 1)
    assert identity.after.columns["median"] == (3, 4)
    assert identity.after.columns["quantile_95"] == (4.5, 6)
    assert identity.after.columns["target"] == (2, 2)
    assert (conv1x1.series.name, conv1x1.before) == ("conv1x1", None)


def test_a_layer_whose_singular_values_are_unknown_leaves_a_gap_in_the_band() -> None:
    drawn = spectrum.data([make_result(analyses={"spectrum": make_spectrum([1.0, math.nan, 3.0], target=2.0)})])
    assert drawn is not None
    assert drawn[0].after is not None
    assert drawn[0].after.layer == (0, 2)
    assert drawn[0].after.columns["target"] == (2, 2)
    spectrum.draw(drawn)


def test_error_table_by_hand() -> None:
    results = [make_result(error=e, seed=s) for s, e in enumerate([0.1, 0.3, 0.2])]
    results += [
        make_result(shortcut="none", seed=0, error=0.5),
        make_result(shortcut="none", seed=1, status="diverged"),
    ]
    table = error_table(
        replicates(results), published=lambda result: "fail" if result.spec.shortcut.name == "none" else None
    )
    identity, none = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    assert identity["mean_error"] == pytest.approx(0.2)
    assert identity["mean_error_n"] == 3
    # On log odds: sd 0.1 of the errors, divided by 0.2 x 0.8, with two degrees of freedom.
    half = t.ppf(0.975, 2) * 0.1 / math.sqrt(3) / (0.2 * 0.8)
    middle = math.log(0.2 / 0.8)
    ends = [1 / (1 + math.exp(-(middle + sign * half))) for sign in (-1, 1)]
    assert [identity["mean_error_low"], identity["mean_error_high"]] == pytest.approx(ends)
    assert identity["final_train_loss"] == pytest.approx(0.5)
    assert (none["trials"], none["diverged"]) == (2, 1)
    assert (none["mean_error"], none["mean_error_low"], none["mean_error_n"]) == (0.5, None, 1)
    assert none["published_error"] == "fail"


def test_an_interval_of_outcomes_counts_their_examples_too() -> None:
    """Two trainings with one error have no spread over seeds; the examples have one."""
    found = make_outcomes(0.2, count=400)
    results = [make_result(seed=seed, outcomes=found) for seed in range(2)]
    table = error_table(replicates(results), published=lambda _: None)
    row = dict(zip(table.columns, table.rows[0], strict=True))
    error = float(found.unpacked().mean())
    deviation = math.sqrt(error * (1 - error) / 399)
    half = (row["mean_error_high"] - row["mean_error_low"]) / 2
    assert half == pytest.approx(1.96 * deviation, rel=0.05)


def test_cells_that_all_diverged_fail_and_one_training_has_no_interval() -> None:
    results = [make_result(status="diverged", shortcut="none"), make_result(error=0.1)]
    table = with_intervals(error_table(replicates(results), published=lambda _: None))
    shown = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.shown()}
    assert shown["none"]["mean_error"] == "fail"
    assert shown["identity"]["mean_error"] == "10.0 %, n 1"


def test_differences_are_to_identity_with_the_other_fields_equal() -> None:
    results = [make_result(depth=d, error=d / 1000) for d in (20, 56)]
    results += [make_result(depth=d, error=d / 500, shortcut={"name": "conv1x1", "batch_norm": True}) for d in (20, 56)]
    table = error_table(replicates(results), published=lambda _: None)
    column = list(table.columns).index("difference_to_identity")
    assert [row[column] for row in table.rows] == [None, None, pytest.approx(0.02), pytest.approx(0.056)]
    assert "published_error" not in table.columns


def test_summaries_are_means_with_intervals_and_raw_tables_tidy() -> None:
    groups = replicates(
        [
            make_result(seed=s, analyses={"lesion": make_lesion([e, e], baseline=0.1)})
            for s, e in enumerate([0.2, 0.4, 0.5])
        ]
    )
    table = summary_table(groups, "lesion")
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert row["mean_error"] == pytest.approx(1.1 / 3)
    assert row["mean_error_n"] == 3
    # The spread over seeds, and the 0.2 points over examples that every seed shares.
    assert row["mean_error_high"] - row["mean_error"] == pytest.approx(
        t.ppf(0.975, 2) * stdev([0.2, 0.4, 0.5]) / 3**0.5, rel=1e-3
    )
    assert "mean_error_standard_error" not in table.columns
    raw = raw_table(groups, lambda result: [{"block": 0, "error": result.test_error}])
    assert list(raw.columns) == ["key", "shortcut", "depth", "seed", "block", "error"]
    assert len(raw.rows) == 3


def test_a_measured_number_called_as_a_parameter_has_a_column_of_its_own() -> None:
    odd = AnalysisResult(summary={"depth": 0.5, "trials": 2.0}, table={}, units={"depth": "1", "trials": "1"})
    groups = replicates([make_result(analyses={"odd": odd})])
    summary = summary_table(groups, "odd")
    summary = with_intervals(summary)
    assert list(summary.columns) == ["shortcut", "depth", "trials", "measured_depth", "measured_trials"]
    assert summary.rows == [["identity", 20, 1, "0.5, n 1", "2, n 1"]]
    raw = raw_table(groups, lambda _: [{"seed": 7.0}, {"seed": 8.0, "late": 1.0}])
    assert list(raw.columns) == ["key", "shortcut", "depth", "seed", "measured_seed", "late"]
    assert [row[3:] for row in raw.rows] == [[0, 7.0, None], [0, 8.0, 1.0]]


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (0.011, "percent", "1.10 %"),
        (0.3894, "percent", "38.9 %"),
        (math.inf, "percent", "fail"),
        (math.nan, "percent", "-"),
        (None, "number", "-"),
        (0.0027, "points", "+0.27"),
        (12.3456, "number", "12.3"),
        (-6.0, "text", "-6"),
        (3, "count", "3"),
        (True, "text", "true"),
        (100_000, "text", "100000"),
    ],
)
def test_numbers_are_shown_sensibly(value: float | None, kind: Kind, text: str) -> None:
    assert show(value, kind) == text


def test_a_number_that_is_the_test_error_has_its_interval() -> None:
    """Else the report would show one number with two intervals: lesions know no outcomes of single examples."""
    tested = [
        make_result(seed=seed, outcomes=make_outcomes(error, seed=seed))
        for seed, error in enumerate((0.02, 0.04, 0.06))
    ]
    results = [
        make_result(
            seed=seed,
            outcomes=one.analyses["test"].outcomes,
            analyses={"lesion": make_lesion([0.3, 0.4 + 0.1 * seed], baseline=one.test_error)},
        )
        for seed, one in enumerate(tested)
    ]
    groups = replicates(results)
    tables = error_table(groups, published=lambda result: None), summary_table(groups, "lesion")
    row, own = (dict(zip(table.columns, table.rows[0], strict=True)) for table in tables)
    assert row["mean_error_low"] is not None
    for end in ("", "_low", "_high", "_n"):
        assert own[f"baseline_error{end}"] == row[f"mean_error{end}"]
    assert own["mean_error_low"] != row["mean_error_low"], "with a block removed it is another number"
