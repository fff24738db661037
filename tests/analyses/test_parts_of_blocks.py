"""Gradient norms of the stem and of the parts of blocks that change dimensions, against closed forms and autograd."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from resablate.analyses import TrainedWith, norm_preservation
from resablate.analyses.gradient_norms import Part, gradient_norms, measured_convolutions
from resablate.component import Component
from resablate.model import BLOCKS, TRANSITIONS, ResidualNetwork, Route, ShortcutBlock, path_gradients, recorded
from resablate.regularizers import REGULARIZERS
from resablate.shortcuts import SHORTCUTS
from resablate.training import calibrated
from tests.contracts.leftovers import assert_unchanged, state_of
from tests.networks import (
    SHORTCUT_NAMES,
    ScaledGradient,
    make_examples,
    make_generator,
    make_images,
    make_network,
    make_scaling_network,
    smallest_depth,
)

SCALE = 1.3


def orthogonal(layer: nn.Conv2d) -> nn.Conv2d:
    """With all singular values SCALE."""
    with torch.no_grad():
        matrix = torch.linalg.qr(torch.randn(layer.weight.shape[:2], generator=make_generator(3), dtype=torch.float64))[
            0
        ]
        layer.weight.copy_(SCALE * matrix[:, :, None, None])
    return layer


def make_halving_block(branch: nn.Module) -> ShortcutBlock:
    """An orthogonal convolution of stride 2 before the two sides split."""
    return ShortcutBlock(
        entry=orthogonal(nn.Conv2d(4, 4, 1, stride=2, bias=False)),
        branch=branch,
        shortcut=SHORTCUTS["identity"](in_channels=4, out_channels=4, stride=1),
        after_add=nn.Sequential(),
        changes_dimension=True,
    )


def norms_of(network: ResidualNetwork, count: int = 5) -> dict[Part, Tensor]:
    images, labels = make_images(count)
    return gradient_norms(network, images, labels, convolutions=measured_convolutions(network))


def test_an_exact_transition_is_told_from_the_block_behind_it() -> None:
    """With equal singular values r of the convolution is that value, whatever r of the block is."""
    factor = nn.Conv2d(4, 4, 1, bias=False)
    with torch.no_grad():
        factor.weight.copy_(0.5 * torch.eye(4)[:, :, None, None])
    network = ResidualNetwork(
        stem=nn.Conv2d(1, 4, 1, bias=False),
        blocks=[make_halving_block(factor), ScaledGradient(1, 0)],
        head=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)),
    ).double()
    orthogonal(network.chain[0].entry)  # type: ignore[arg-type]
    network.stem.weight.data.fill_(0.5)  # type: ignore[union-attr,operator]
    result = norm_preservation(network, make_examples(40), generator=make_generator())
    expected = {"": SCALE * 1.5, "behind_entry_": 1.5, "transition_": SCALE}
    for part, ratio in expected.items():
        for name in ("ratio", "median_ratio"):
            assert result.table[f"{part}{name}"][0] == pytest.approx(ratio, rel=1e-12)
        assert result.table[f"{part}median_log_ratio"][0] == pytest.approx(math.log(ratio), rel=1e-12)
        assert result.table[f"{part}ratio_standard_error"][0] == pytest.approx(0, abs=1e-12)
    for part in ("behind_entry", "transition"):
        assert math.isnan(result.table[f"{part}_ratio"][1]), "the other block has neither"
        for number in ("largest", "mean"):
            size = math.log(expected[f"{part}_"])
            assert result.summary[f"{part}_{number}_median_log_ratio"] == pytest.approx(size, rel=1e-12)
    assert result.summary["same_dimension_largest_median_log_ratio"] == pytest.approx(0, abs=1e-12)
    assert 0 < result.summary["stem_ratio"] <= 1, "four channels of 0.5 each: a norm of one"
    assert [result.table[name] for name in ("in_channels", "out_channels")] == [[4, 4], [4, 4]]
    assert [result.table[name] for name in ("in_height", "out_height")] == [[8, 4], [4, 4]]


@pytest.mark.parametrize("ordering", ["original", "full_preactivation"])
def test_a_projection_is_pulled_back_by_itself(ordering: str) -> None:
    """Its numerator is what comes to the block's input by the shortcut alone, found with a route."""
    network = make_network(transition="projection", ordering=ordering, stage_preactivation="own")
    images, labels = make_images(5)
    found = norms_of(network)
    for place in (1, 2):
        x = network.stem(images)
        for block in network.chain[:place]:
            x = block(x)
        x = x.detach().requires_grad_()
        y = network.chain[place](x, Route.GRADIENT_BY_SHORTCUT)
        for block in network.chain[place + 1 :]:
            y = block(y)
        nn.functional.cross_entropy(network.head(y), labels, reduction="sum").backward()
        assert x.grad is not None
        assert found[Part("transition", place)][0].tolist() == pytest.approx(x.grad.flatten(1).norm(dim=1).tolist())
    network.zero_grad()


def test_the_stem_is_pulled_back_to_the_image() -> None:
    network = make_network(transition="bare", depth=10, ordering="full_preactivation")
    images, labels = make_images(5)
    whole = path_gradients(network, images, labels, routes=None).flatten(1).norm(dim=1)
    found = norms_of(network)
    assert found[Part("stem", -1)][0].tolist() == pytest.approx(whole.tolist())
    assert found[Part("stem", -1)][1].tolist() == pytest.approx(found[Part("block", 0)][0].tolist())


def test_a_bare_transition_and_what_is_behind_multiply_to_the_block() -> None:
    found = norms_of(make_network(transition="bare", depth=10))
    for place in (1, 2):
        before, behind = found[Part("block", place)]
        parts = [found[Part(kind, place)] for kind in ("transition", "behind_entry")]
        product = torch.stack([part[0] / part[1] for part in parts]).prod(dim=0)
        assert product.tolist() == pytest.approx((before / behind).tolist(), rel=1e-12)


@pytest.mark.parametrize(
    ("shortcut", "block", "transition"), list(itertools.product(SHORTCUT_NAMES, BLOCKS, TRANSITIONS))
)
def test_every_block_has_one_transition_convolution_at_most(shortcut: str, block: str, transition: str) -> None:
    network = make_network(
        shortcut=shortcut, block=block, transition=transition, depth=smallest_depth(block, transition)
    )
    convolutions = measured_convolutions(network)
    places = [part.block for part in convolutions.values() if part.kind == "transition"]
    changing = [place for place, one in enumerate(network.chain) if one.changes_dimension]
    has = transition == "bare" or shortcut == "conv1x1" or (transition == "projection" and shortcut != "none")
    assert places == (changing if has else [])
    assert list(convolutions.values()).count(Part("stem", -1)) == 1
    assert norms_of(network, 2).keys() >= set(convolutions.values())


def test_a_stem_that_rectifies_in_place_is_measured_before_it_does() -> None:
    networks = [make_network(), make_network()]
    for network, inplace in zip(networks, (False, True), strict=True):
        network.stem = nn.Sequential(network.stem[0], nn.ReLU(inplace=inplace))  # type: ignore[index]
    ours, theirs = (norms_of(network)[Part("stem", -1)] for network in networks)
    assert theirs.flatten().tolist() == pytest.approx(ours.flatten().tolist(), rel=1e-12)


def test_frozen_weights_have_gradients_behind_them() -> None:
    network = make_network(transition="bare", depth=10)
    expected = norms_of(network)
    network.requires_grad_(False)
    for part, norms in norms_of(network).items():
        assert norms.flatten().tolist() == pytest.approx(expected[part].flatten().tolist(), rel=1e-12)


def test_nothing_stays_recorded_after_an_error() -> None:
    network = make_network()
    before = state_of(network)
    with pytest.raises(RuntimeError, match="in the middle"), recorded(list(network.modules())):
        raise RuntimeError("in the middle")
    assert_unchanged(before, state_of(network))


def test_a_network_without_convolutions_has_whole_blocks_alone() -> None:
    network = make_scaling_network([ScaledGradient(1, 1)])
    images, labels = make_images(3, size=(2, 2))
    assert list(gradient_norms(network, images, labels, convolutions=measured_convolutions(network))) == [
        Part("block", 0)
    ]


# --- weights: projected


def make_trained_with(**arguments: object) -> TrainedWith:
    regularizer = Component("procrustes", {"layers": "stem+transitions", **arguments})
    return TrainedWith(block_sampling=Component("all"), regularizer=regularizer)


def test_projected_weights_are_those_after_one_projection_with_batch_norm_taken_anew() -> None:
    network = make_network(transition="bare", depth=10, ordering="full_preactivation")
    examples, trained_with = make_examples(60), make_trained_with(frequency=0.25)
    before = state_of(network)
    found = norm_preservation(
        network, examples, generator=make_generator(), trained_with=trained_with, weights="projected"
    )
    assert_unchanged(before, state_of(network))
    as_is = norm_preservation(network, examples, generator=make_generator(), trained_with=trained_with)
    assert repr(as_is) == repr(norm_preservation(network, examples, generator=make_generator()))
    assert found.summary["transition_mean_median_log_ratio"] < as_is.summary["transition_mean_median_log_ratio"]
    regularizer = REGULARIZERS["procrustes"](network, examples.images, layers="stem+transitions", frequency=1.0)
    regularizer.after_step(make_generator())
    by_hand = norm_preservation(calibrated(network, examples), examples, generator=make_generator())
    assert repr(found) == repr(by_hand)


@pytest.mark.parametrize(
    "trained_with",
    [
        None,
        make_trained_with(frequency=0.0),
        TrainedWith(block_sampling=Component("all"), regularizer=Component("none")),
        TrainedWith(block_sampling=Component("all"), regularizer=Component("orthogonal_penalty")),
    ],
    ids=["unknown", "never", "none", "penalty"],
)
def test_where_training_never_projects_the_weights_are_the_networks_own(trained_with: TrainedWith | None) -> None:
    network, examples = make_network(transition="bare", depth=10), make_examples(20)
    found = norm_preservation(
        network, examples, generator=make_generator(), trained_with=trained_with, weights="projected"
    )
    assert repr(found) == repr(norm_preservation(network, examples, generator=make_generator()))
