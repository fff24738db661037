"""The numbers of one claim of each kind, by hand, and what is said of bad input."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

import pytest
from scipy.stats import t

from resablate.claims import CLAIMS
from resablate.claims.answer import Answer, answer_claims
from resablate.result import TrialResult
from tests.factories import (
    make_lesion,
    make_measurement,
    make_norm_preservation,
    make_outcomes,
    make_path_count,
    make_path_gradient,
    make_result,
    make_test,
    without_validation,
)


def answer(name: str, results: Sequence[TrialResult]) -> Answer:
    [found] = answer_claims(results, claims={name: CLAIMS[name]})
    return found


def cell(errors: Sequence[float], *, seeds: Sequence[int] | None = None, **fields: Any) -> list[TrialResult]:
    """Trainings of 56 layers with these errors and no outcomes."""
    numbers = seeds or range(len(errors))
    return [make_result(error=e, seed=s, **{"depth": 56, **fields}) for s, e in zip(numbers, errors, strict=True)]


HALF = {"shortcut": {"name": "constant_scale"}}
ORIGINAL = [0.100, 0.104, 0.102]
AFTER = [0.122, 0.118, 0.126, 0.120]


def test_a_comparison_paired_by_seed_says_which_trainings_it_leaves_out() -> None:
    """H11: two trainings of one side, four of the other, whose seeds move both sides alike."""
    later = cell([0.1200, 0.1401], ordering="bn_after_add")
    found = answer("H11", [*cell([0.100, 0.120, 0.110, 0.130]), *later])
    assert found.seeds == "2 each"
    assert found.decision.difference == pytest.approx(0.02005), "of seeds 0 and 1"
    told = "paired by seed: the trainings with seeds 2 and 3, which not every cell has, are left out of this number"
    assert told in found.notes
    assert any("unequal numbers of trainings: 4, 2" in note for note in found.notes)


def test_a_difference_is_welchs() -> None:
    """H11: unpaired means of 3 and 4 seeds that share none."""
    later = cell(AFTER, seeds=[10, 11, 12, 13], ordering="bn_after_add")
    found = answer("H11", [*cell(ORIGINAL), *later])
    assert found.verdict == "supported"
    assert found.decision.difference == pytest.approx(fmean(AFTER) - fmean(ORIGINAL))
    assert found.seeds == "3 and 4"
    assert found.numbers.startswith("lower by 1.95 points (")
    assert any("unequal numbers of trainings: 3, 4" in note for note in found.notes)
    half = (found.decision.high - found.decision.low) / 2
    error = math.sqrt(stdev(ORIGINAL) ** 2 / 3 + stdev(AFTER) ** 2 / 4)
    assert t.ppf(0.975, 5) * error * 0.99 <= half <= t.ppf(0.975, 2) * error


def test_an_interval_ends_where_no_number_can_lie() -> None:
    """H11: two seeds far apart give an interval of many times 100 points; errors differ by at most 100."""
    found = answer("H11", [*cell([0.1, 0.9]), *cell([0.2, 0.8], seeds=[10, 11], ordering="bn_after_add")])
    assert found.decision.high - found.decision.low > 2, "undecided as before"
    assert found.numbers == "lower by 0.00 points (-100.00 to 100.00)"


def test_pairing_by_seed_is_that_of_the_differences() -> None:
    """Eight shared seeds are always paired: the interval is that of the differences."""
    base = [0.10, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16, 0.17]
    gains = [0.010, 0.012, 0.011, 0.009, 0.010, 0.011, 0.012, 0.009]
    better = cell([b - g for b, g in zip(base, gains, strict=True)], ordering="full_preactivation")
    found = answer("H15", [*cell(base), *better])
    half = t.ppf(0.975, 7) * stdev(gains) / math.sqrt(8)
    assert (found.decision.low, found.decision.high) == pytest.approx((fmean(gains) - half, fmean(gains) + half))
    assert "paired by seed" in found.method
    assert "correlation over shared seeds 1.00" in found.method


def test_equivalence_is_two_one_sided_tests() -> None:
    """H14: within half a point, of eight pairs with a difference of 0.1 points on average."""
    base = [0.10, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16, 0.17]
    gaps = [0.001, 0.002, 0.000, 0.001, 0.002, 0.000, 0.001, 0.001]
    other = cell([b + g for b, g in zip(base, gaps, strict=True)], ordering="relu_only_preactivation")
    found = answer("H14", [*cell(base), *other])
    error = stdev(gaps) / math.sqrt(8)
    assert float(found.judgement.comparison.evidence.supported) == pytest.approx(
        t.sf((0.005 - fmean(gaps)) / error, 7) / 2, rel=1e-6
    )
    assert found.verdict == "supported"


@pytest.mark.parametrize(
    ("seeds", "failing", "verdict"),
    [(6, 6, "supported"), (5, 5, "undecided"), (8, 0, "contradicted"), (6, 3, "undecided")],
)
def test_failures_have_exact_intervals(seeds: int, failing: int, verdict: str) -> None:
    """H4: with 6 of 6, half of the trainings fail with a chance of 1/64 on one side; with 5 of 5 it is 1/32 > 2.5 %.

    Contradicting takes more, as the control could too.
    """
    plain = [
        make_result(
            seed=seed, depth=56, shortcut="none", status="diverged" if seed < failing else "finished", error=0.1
        )
        for seed in range(seeds)
    ]
    found = answer("H4", [*cell([0.1] * seeds), *plain])
    assert found.verdict == verdict
    assert any(f"no shortcut fails in {failing} of {seeds} trainings" in note for note in found.notes)
    if verdict == "undecided" and failing == seeds:
        assert found.needed == 6
        assert "6 seeds of each" in found.what_would_decide
        assert found.numbers.startswith("no shortcut fails in 100 %"), "identity is as uncertain; the claim is of none"


def test_failures_of_several_depths_are_told_of_each_by_its_depth() -> None:
    plain = [
        make_result(seed=seed, depth=depth, shortcut="none", status="diverged" if seed < depth / 20 else "finished")
        for depth in (56, 110)
        for seed in range(5)
    ]
    controls = [one for depth in (56, 110) for one in cell([0.1] * 5, depth=depth)]
    notes = answer("H4", [*controls, *plain]).notes
    assert [note for note in notes if "fails in" in note] == [
        "digits, depth 56: no shortcut fails in 3 of 5 trainings",
        "digits, depth 56; digits, depth 110: identity fails in 0 of 5 trainings",
        "digits, depth 110: no shortcut fails in 5 of 5 trainings",
    ]


def test_settings_of_two_sweeps_are_told_apart_in_as_few_words_as_do() -> None:
    recipes = ({"width": 8, "epochs": 3, "batch_size": 64}, {"width": 16, "epochs": 12, "learning_rate": 0.05})
    results = [
        one
        for recipe in recipes
        for shortcut, error in (("identity", 0.1), ("conv1x1", 0.2))
        for one in cell([error, error + 0.01], shortcut=shortcut, **recipe)
    ]
    names = [name.rpartition(": ")[0] or name for name in answer("H1", results).judgement.parts]
    assert list(dict.fromkeys(names)) == ["digits, depth 56, width 8", "digits, depth 56, width 16"]


def test_an_interaction_is_a_difference_of_differences() -> None:
    """H7: 1 point at 20 layers and 5 at 56 are 4."""
    shallow = [*cell([0.10, 0.11], depth=20), *cell([0.11, 0.12], depth=20, shortcut="conv1x1")]
    deep = [*cell([0.10, 0.11]), *cell([0.15, 0.16], shortcut="conv1x1")]
    found = answer("H7", [*shallow, *deep])
    assert found.decision.difference == pytest.approx(0.04)
    assert found.seeds == "2 each"


def test_a_threshold_is_compared_by_interval() -> None:
    """V1: increases of 2 and 4 points on the way of 80 to guessing are 2.5 and 5 %, with a t-interval of 1 degree."""
    results = [
        make_result(seed=s, depth=56, analyses={"lesion": make_lesion([0.1 + up] * 4, baseline=0.1)}, error=0.1)
        for s, up in enumerate((0.02, 0.04))
    ]
    found = answer("V1", results)
    shares = [0.02 / 0.8, 0.04 / 0.8]
    half = t.ppf(0.975, 1) * stdev(shares) / math.sqrt(2)
    assert (found.decision.low, found.decision.high) == pytest.approx((fmean(shares) - half, fmean(shares) + half))
    assert found.verdict == "undecided"


def test_what_is_counted_needs_one_training() -> None:
    """V7: the share of binomial(54, 1/2) from 19 to 35."""
    found = answer("V7", [make_result(depth=110, analyses={"path_count": make_path_count(54)})])
    expected = sum(math.comb(54, k) for k in range(19, 36)) / 2**54
    assert found.verdict == "supported"
    assert found.decision.difference == pytest.approx(expected)


def test_lengths_of_54_blocks_are_told_of_as_many_or_more() -> None:
    """V9: lengths spread less than blocks grow, so that the same part of fewer blocks holds fewer paths."""
    analyses = {"path_gradient": make_path_gradient([0.25**k for k in range(28)]), "path_count": make_path_count(27)}
    found = answer("V9", [make_result(seed=s, depth=56, analyses=analyses) for s in range(3)])
    assert (found.verdict, "of 110 or more" in found.missing) == ("not tested", True)


@pytest.mark.parametrize(("transition", "verdict"), [("bare", "not tested"), ("pad", "supported")])
def test_a_bare_transition_is_no_change_of_dimension_that_can_be_removed(transition: str, verdict: str) -> None:
    """V3: its block is an ordinary one."""
    lesions = [make_lesion([0.12, 0.3 + seed / 1000, 0.12, 0.12], baseline=0.1, changing=[1]) for seed in range(4)]
    network = {"name": "resnet", "transition": transition}
    results = [
        make_result(seed=seed, depth=58, error=0.1, analyses={"lesion": lesion}, fields={"network": network})
        for seed, lesion in enumerate(lesions)
    ]
    found = answer("V3", results)
    assert found.verdict == verdict
    assert ("network.transition other than bare" in found.missing) == (transition == "bare")


def test_a_slope_is_least_squares() -> None:
    """Z2: l equal to ln(2L)/L lies on the line of slope 1."""
    results = [
        make_result(
            depth=depth,
            seed=seed,
            analyses={
                "norm_preservation": make_norm_preservation([math.exp(math.log(2 * n) / n * (1 + seed / 50))] * n)
            },
        )
        for depth in (8, 20, 38, 56, 110)
        for n in [(depth - 2) // 2]
        for seed in range(2)
    ]
    found = answer("Z2", results)
    assert found.decision.difference == pytest.approx(1)


def outcomes(error: float, seed: int, *, examples: str = "same") -> Any:
    return make_outcomes(error, seed=seed, count=2000, examples=examples)


def with_outcomes(error: float, *, examples: str = "same", seeds: int = 3, **fields: Any) -> list[TrialResult]:
    return [
        make_result(seed=s, depth=56, outcomes=outcomes(error, s, examples=examples), **fields) for s in range(seeds)
    ]


def test_equal_examples_are_paired_and_different_ones_are_not_and_it_is_said() -> None:
    better = with_outcomes(0.06, ordering="full_preactivation")
    same = answer("H15", [*with_outcomes(0.1), *better])
    other = answer("H15", [*with_outcomes(0.1, examples="other"), *better])
    assert "paired by example" in same.method
    assert "unpaired examples" in other.method
    assert "the test sets differ: compared without pairing by example" in other.notes
    assert not any("test sets differ" in note for note in same.notes)


def test_a_cell_of_two_test_sets_is_compared_by_seed() -> None:
    mixed = [*with_outcomes(0.1, seeds=1), *with_outcomes(0.1, examples="other", seeds=3)[1:]]
    found = answer("H15", [*mixed, *with_outcomes(0.05, ordering="full_preactivation")])
    assert any("different test sets: one number for each seed" in note for note in found.notes)
    assert "test examples fixed" in found.method


@pytest.mark.parametrize("with_them", [True, False])
def test_one_seed_says_so_and_how_many_would_do(with_them: bool) -> None:
    make = with_outcomes if with_them else lambda error, seeds, **fields: cell([error] * seeds, **fields)
    found = answer("H11", [*make(0.10, seeds=1), *make(0.14, seeds=1, ordering="bn_after_add")])
    assert found.verdict == "undecided"
    assert found.needed and found.needed > 1
    assert (
        found.what_would_decide
        == f"one seed: {found.needed} seeds of each decide an effect of the published size with 80 % power, if seeds"
        " differ as those of the papers do"
    )


def test_the_best_of_five_is_said_of_all_five() -> None:
    """H16: with two orderings it is not tested, whatever these come to."""
    two = [*cell(ORIGINAL), *cell([0.05, 0.051, 0.052], ordering="full_preactivation")]
    found = answer("H16", two)
    assert found.verdict == "not tested"
    assert "relu only preactivation" in found.missing


def test_every_other_names_the_others() -> None:
    found = answer("H1", [*cell(ORIGINAL), *cell(AFTER, shortcut="conv1x1")])
    assert any(note.endswith("compared with conv1x1") for note in found.notes)


def test_networks_that_guess_gain_nothing_with_depth() -> None:
    """H17: at 56 layers nothing has learned, so the gain there is noise, however little."""
    names = ("original", "full_preactivation")
    shallow = [
        r for name, e in zip(names, ([0.1, 0.11], [0.1, 0.11]), strict=True) for r in cell(e, depth=20, ordering=name)
    ]
    deep = [r for name, e in zip(names, ([0.9, 0.901], [0.85, 0.851]), strict=True) for r in cell(e, ordering=name)]
    found = answer("H17", [*shallow, *deep])
    assert found.verdict == "undecided"
    assert found.what_would_decide == "a setting in which the networks learn"


def test_seeds_are_planned_by_the_spread_that_was_seen() -> None:
    """H15: with 12 points between seeds no thousand decides 0.24 points, whatever the papers' seeds would need."""
    found = answer("H15", [*cell([0.2, 0.44, 0.3]), *cell([0.25, 0.41, 0.33], ordering="full_preactivation")])
    assert found.needed is None
    assert found.what_would_decide == "more than 1,000 seeds of each, for an effect of the published size"


def test_of_rivals_with_one_seed_the_hardest_is_shown() -> None:
    rivals = [*cell([0.15], shortcut="conv1x1"), *cell([0.09], shortcut="shortcut_only_gate")]
    found = answer("H1", [*cell([0.1]), *rivals])
    assert found.shown is not None
    assert "shortcut_only_gate" in found.shown.name


def test_equal_differences_of_rounded_numbers_are_no_certainty() -> None:
    """Three pairs that differ by 0.1 up to rounding: the spread of each cell counts, not that of the differences."""
    shared = [0.2, 0.21, 0.2]
    found = answer("H15", [*cell(shared), *cell([e - 0.1 for e in shared], ordering="full_preactivation")])
    assert found.numbers == "lower by 10.00 points (8.69 to 11.31)"
    assert "unpaired" in found.method


def test_a_data_set_on_which_nothing_learns_decides_nothing() -> None:
    found = answer("H11", [*cell([0.88, 0.89, 0.9]), *cell([0.89, 0.88, 0.9], ordering="bn_after_add")])
    assert found.verdict == "undecided"
    assert any("this setting cannot decide" in note for note in found.notes)


def test_what_has_not_learned_counts_against_what_was_claimed_to_learn() -> None:
    found = answer("H1", [*cell([0.88, 0.89, 0.9]), *cell([0.1, 0.11, 0.1], shortcut="conv1x1")])
    assert found.verdict == "contradicted"
    assert "identity has not learned in 3 of 3 trainings" in found.notes


def test_identity_that_diverges_is_not_left_out() -> None:
    diverged = [make_result(status="diverged", seed=s, depth=56) for s in range(5)]
    found = answer("H1", [*diverged, *cell([0.1, 0.11, 0.1, 0.12, 0.1], shortcut="conv1x1")])
    assert found.verdict == "contradicted"
    assert found.numbers.startswith("failures more often by 100 %")


def test_a_claimed_cell_that_sometimes_fails_is_not_supported_by_those_that_finished() -> None:
    some = [*cell([0.05] * 4), make_result(status="diverged", seed=4, depth=56)]
    found = answer("H1", [*some, *cell([0.1, 0.11, 0.1, 0.12, 0.1], shortcut="conv1x1")])
    assert found.verdict == "undecided"
    assert "identity: 1 of 5 trainings diverged" in found.notes


def test_a_rival_that_sometimes_fails_is_compared_by_those_that_finished() -> None:
    some = [
        *cell([0.21, 0.2, 0.21, 0.2], shortcut="conv1x1"),
        make_result(status="diverged", seed=4, depth=56, shortcut="conv1x1"),
    ]
    found = answer("H1", [*cell([0.1, 0.11, 0.1, 0.12, 0.1]), *some])
    assert found.verdict == "supported"


def test_settings_are_compared_apart_and_the_claim_is_about_each() -> None:
    good = [*cell(ORIGINAL), *cell([0.2, 0.21, 0.2], ordering="bn_after_add")]
    bad = [*cell([0.2, 0.21, 0.2], epochs=99), *cell(ORIGINAL, ordering="bn_after_add", epochs=99)]
    found = answer("H11", [*good, *bad])
    assert found.verdict == "contradicted"
    assert sorted(part.verdict for part in found.decision.parts.values()) == ["contradicted", "supported"]
    assert {name.split(":")[0] for name in found.decision.parts} == {
        "digits, depth 56, epochs 12",
        "digits, depth 56, epochs 99",
    }


@pytest.mark.parametrize("status", ["failed", "pruned"])
def test_what_did_not_end_counts_nothing(status: Any) -> None:
    late = [make_result(status=status, seed=s, depth=56, ordering="bn_after_add") for s in range(3)]
    assert answer("H11", [*cell(ORIGINAL), *late]).verdict == "not tested"


def test_a_training_of_two_sweeps_counts_once() -> None:
    results = [*cell(ORIGINAL), *cell([0.2, 0.21, 0.2], ordering="bn_after_add")]
    assert answer("H11", [*results, *results]).seeds == "3 each"


@pytest.mark.parametrize("fields", [{"regularizer": "spectral_penalty"}, {"block_sampling": "fixed_count"}])
def test_fields_decide_which_trainings_count(fields: dict[str, str]) -> None:
    results = [*cell(ORIGINAL, **fields), *cell([0.2, 0.21, 0.2], ordering="bn_after_add", **fields)]
    assert answer("H11", results).verdict == "not tested"


def test_a_projection_that_leaves_the_stem_alone_is_not_the_paper_s() -> None:
    bare = {"network": {"name": "resnet", "block": "bottleneck", "transition": "bare"}, "depth": 31}
    rival = {"network": {"name": "resnet", "block": "bottleneck", "transition": "projection"}, "depth": 29}
    for regularizer, counts in (
        ({"name": "procrustes", "layers": "stem+transitions"}, True),
        ({"name": "procrustes", "layers": "stem+transitions", "stem": "published"}, True),
        ({"name": "procrustes", "layers": "stem+transitions", "stem": "off"}, False),
        ({"name": "procrustes", "layers": "transitions"}, False),
    ):
        networks = ({**bare, "regularizer": regularizer}, rival)
        results = [make_result(seed=seed, losses=[2.0, 0.5], **fields) for seed in range(3) for fields in networks]
        assert (answer("Z7", results).verdict != "not tested") == counts, regularizer


def test_the_time_of_an_epoch_is_that_of_trainings_by_themselves() -> None:
    bare = {"network": {"name": "resnet", "block": "bottleneck", "transition": "bare"}, "depth": 31}
    alone = [
        make_result(seed=seed, losses=[2.0, 0.5], **bare, regularizer=regularizer)
        for seed in range(3)
        for regularizer in ({"name": "procrustes", "layers": "stem+transitions"}, {"name": "none"})
    ]
    assert answer("Z9", alone).verdict != "not tested"
    assert answer("Z9", [result.model_copy(update={"pack_size": 2}) for result in alone]).verdict == "not tested"


def test_faster_learning_needs_a_validation_loss() -> None:
    projected = {
        "network": {"name": "resnet", "block": "bottleneck", "transition": "bare"},
        "regularizer": "procrustes",
    }
    rival = {"network": {"name": "resnet", "block": "bottleneck", "transition": "projection"}}
    results = [
        make_result(seed=seed, depth=depth, losses=[2.0, 1.0, 0.5], **fields)
        for seed in range(3)
        for depth, fields in ((31, projected), (29, rival))
    ]
    assert answer("Z7", results).verdict != "not tested"
    found = answer("Z7", [without_validation(result) for result in results])
    assert found.verdict == "not tested"
    assert "which holds out no images" in found.what_would_decide


PAPER: dict[str, Any] = {
    "dataset": {"name": "cifar10", "val_fraction": 0, "normalization": "per_pixel"},
    "augmentation": "crop_flip",
    "iterations": 64_000,
    "depth": 110,
    "schedule": {"name": "steps", "warmup_iterations": 400},
}


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, ["identity 6.61 % (Table 1)"]),
        ({"shortcut": "conv1x1"}, ["1x1 convolution: 12.22 % (Table 1)"]),
        ({"shortcut": {"name": "exclusive_gate", "bias": -7}}, ["exclusive gate, bias -7: 9.81 % (Table 1)"]),
        ({"depth": 56}, []),
        ({"dataset": "fashion_mnist"}, []),
        ({"ordering": "full_preactivation"}, []),
        ({"batch_size": 64}, []),
        ({"schedule": "steps"}, []),
        ({"augmentation": "none"}, []),
        ({"dataset": {"name": "cifar10", "normalization": "per_pixel"}}, []),
        ({"dataset": {"name": "cifar10", "val_fraction": 0}}, []),
    ],
)
def test_published_numbers_stand_beside_what_they_stand_for_alone(fields: dict[str, Any], shown: list[str]) -> None:
    results = [make_result(seed=s, **{**PAPER, **fields}) for s in range(2)]
    rivals = [
        make_result(seed=s, **{**PAPER, **fields, "shortcut": "dropout", "depth": fields.get("depth", 110)})
        for s in range(2)
    ]
    found = [row for row in CLAIMS["H1"].published if any(row.stands_for(flat_of(r)) for r in results)]
    assert [f"{row.text} ({row.source})" for row in found] == shown
    assert rivals


def flat_of(result: TrialResult) -> Any:
    from resablate.claims.arms import flat

    return flat(result.spec)


def test_imagenet_is_compared_at_a_crop_of_320() -> None:
    base = {"dataset": "image_folder", "network": "imagenet_resnet", "depth": 200, "augmentation": "scale", "width": 64}

    def cropped(error: float, top5: float, ordering: str) -> list[TrialResult]:
        tests = [
            make_measurement("test", make_test(error, outcomes=make_outcomes(error, seed=s, top5=top5)), crop=320)
            for s in range(3)
        ]
        return [
            make_result(error=0.9, seed=s, ordering=ordering, **base).model_copy(update={"measurements": (tests[s],)})
            for s in range(3)
        ]

    found = answer("H23", [*cropped(0.25, 0.08, "original"), *cropped(0.18, 0.03, "full_preactivation")])
    assert found.verdict == "supported"
    assert {name.split(":")[0] for name in found.decision.parts} == {"top-1", "top-5"}
    assert (
        answer("H23", [make_result(seed=0, ordering=o, **base) for o in ("original", "full_preactivation")]).verdict
        == "not tested"
    )
