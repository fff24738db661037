"""The regularizers in closed form, and inside a training."""

import math
from typing import Any

import pytest
import torch

from resablate.check import check_trial
from resablate.errors import SpecError
from resablate.model import TRANSITIONS, ResidualNetwork, build_network
from resablate.regularizers import REGULARIZERS, SV_LAYERS, Regularizer, find_sites
from resablate.shortcuts import SHORTCUTS
from resablate.spec import TrainSpec
from resablate.trial import run_trial
from tests.networks import make_generator

IMAGES = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
PENALTIES = ("spectral_penalty", "orthogonal_penalty")


def procrustes_resnet() -> ResidualNetwork:
    return build_network(
        depth=10, transition="bare", ordering="full_preactivation", width=4, in_channels=1, generator=make_generator()
    ).double()


def make_regularizer(
    name: str, network: ResidualNetwork, *, sv_layers: str = "stem+transitions", **knobs: Any
) -> Regularizer:
    return REGULARIZERS[name](find_sites(network, IMAGES, sv_layers=sv_layers), **knobs)


def test_the_layers_have_names() -> None:
    network = procrustes_resnet()
    chosen = {name: [site.name for site in find_sites(network, IMAGES, sv_layers=name)] for name in SV_LAYERS}
    assert chosen["transitions"] == ["blocks.1.entry.0", "blocks.2.entry.0"]
    assert chosen["stem+transitions"] == ["stem.0", *chosen["transitions"]]
    assert len(chosen["all"]) == 1 + 3 * 2 + 2
    sizes = {site.name: site.size for site in find_sites(network, IMAGES, sv_layers="stem+transitions")}
    assert sizes == {"stem.0": (8, 8), "blocks.1.entry.0": (8, 8), "blocks.2.entry.0": (4, 4)}
    assert not [hook for module in network.modules() for hook in module._forward_pre_hooks]
    assert network.training


def test_projections_are_transitions_too() -> None:
    network = build_network(depth=8, transition="projection", in_channels=1).double()
    assert [s.name for s in find_sites(network, IMAGES, sv_layers="transitions")] == [
        "blocks.1.shortcut.match.0",
        "blocks.2.shortcut.match.0",
    ]


@pytest.mark.parametrize("transition", TRANSITIONS)
@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_transitions_change_dimensions_themselves_and_the_check_knows_them(shortcut: str, transition: str) -> None:
    depth = 10 if transition == "bare" else 8
    fields: dict[str, Any] = {"shortcut": shortcut, "transition": transition, "depth": depth, "width": 4}
    network = build_network(**fields, in_channels=1).double()
    sites = find_sites(network, IMAGES, sv_layers="transitions")
    shapes = [(site.layer.in_channels, site.layer.out_channels, site.stride) for site in sites]
    own = shortcut == "conv1x1" or (transition == "projection" and shortcut != "none")
    assert shapes == ([(4, 8, 2), (8, 16, 2)] if own or transition == "bare" else [])
    spec = TrainSpec.parse({**fields, "regularizer": "procrustes", "sv_strength": 0.5, "sv_layers": "transitions"})
    assert check_trial(spec).regularizer == ("procrustes" if sites else "none")
    everything = check_trial(spec.replace(sv_layers="stem+transitions"))
    assert (everything.regularizer, everything.sv_layers) == ("procrustes", "stem+transitions")


@pytest.mark.parametrize("sv_layers", SV_LAYERS)
def test_a_vgg_has_convolutions_and_neither_stem_nor_transitions(sv_layers: str) -> None:
    sites = find_sites(
        build_network(network="vgg", depth=5, width=2, in_channels=1).double(), IMAGES, sv_layers=sv_layers
    )
    fields = {"network": "vgg", "depth": 5, "width": 2, "regularizer": "procrustes", "sv_strength": 0.5}
    assert len(sites) == (4 if sv_layers == "all" else 0)
    assert check_trial(TrainSpec.parse({**fields, "sv_layers": sv_layers})).regularizer == (
        "procrustes" if sites else "none"
    )


def test_targets() -> None:
    _, first, _ = find_sites(procrustes_resnet(), IMAGES, sv_layers="stem+transitions")
    assert first.target("backward") == pytest.approx(math.sqrt(2))
    assert first.target("forward") == 2
    assert first.target(0.7) == 0.7
    with pytest.raises(ValueError, match="sv_target must be backward, forward or a number, got 'backwards'"):
        first.target("backwards")


@pytest.mark.parametrize("condition", [1.0, 1e3])
def test_procrustes_at_full_strength_hits_the_target(condition: float) -> None:
    network = procrustes_resnet()
    sites = find_sites(network, IMAGES, sv_layers="transitions")
    for site in sites:
        left, _, right = torch.linalg.svd(site.layer.weight.detach()[:, :, 0, 0], full_matrices=False)
        values = torch.logspace(0, -math.log10(condition), right.shape[0], dtype=torch.float64)
        with torch.no_grad():
            site.layer.weight.copy_(((left * values) @ right)[:, :, None, None])
    REGULARIZERS["procrustes"](sites, sv_strength=1.0, sv_frequency=1.0).after_step(make_generator())  # type: ignore[call-arg]
    for site in sites:
        values = torch.linalg.svdvals(site.layer.weight.detach()[:, :, 0, 0])
        assert float((values - math.sqrt(2)).abs().max()) < 1e-6


def test_procrustes_goes_a_part_of_the_way() -> None:
    network = procrustes_resnet()
    before = network.get_parameter("blocks.1.entry.0.weight").detach().clone()
    half = make_regularizer("procrustes", network, sv_strength=0.5, sv_frequency=1.0)
    half.after_step(make_generator())
    left, _, right = torch.linalg.svd(before[:, :, 0, 0], full_matrices=False)
    expected = 0.5 * before[:, :, 0, 0] + 0.5 * math.sqrt(2) * left @ right
    assert torch.allclose(network.get_parameter("blocks.1.entry.0.weight")[:, :, 0, 0], expected, atol=1e-10)


def test_the_generator_decides_how_often() -> None:
    network = procrustes_resnet()
    regularizer = make_regularizer("procrustes", network, sv_strength=0.1, sv_frequency=0.5)
    draws, steps = make_generator(3), 0
    for _ in range(200):
        before = network.get_parameter("blocks.1.entry.0.weight").detach().clone()
        regularizer.after_step(draws)
        steps += not torch.allclose(before, network.get_parameter("blocks.1.entry.0.weight"), atol=0, rtol=0)
    assert 70 < steps < 130


def test_the_stem_can_be_left_alone() -> None:
    network = procrustes_resnet()
    before = network.get_parameter("stem.0.weight").detach().clone()
    make_regularizer("procrustes", network, sv_strength=1.0, sv_frequency=1.0, sv_stem="off").after_step(
        make_generator()
    )
    assert torch.equal(network.get_parameter("stem.0.weight"), before)


@pytest.mark.parametrize("name", ["procrustes", "spectral_penalty"])
@pytest.mark.parametrize("side", [8, 6], ids=["kernels larger than images", "odd sides"])
def test_every_size_of_image_can_be_trained_on(name: str, side: int) -> None:
    """8 gives 3x3 kernels on images of 2x2; 6 gives a stride of 2 on images of 3x3, and that layer is left alone."""
    network = build_network(depth=8, width=2, in_channels=1, generator=make_generator()).double()
    sites = find_sites(network, torch.zeros(1, 1, side, side, dtype=torch.float64), sv_layers="all")
    before = {site.name: site.layer.weight.detach().clone() for site in sites}
    knobs = {"sv_frequency": 1.0} if name == "procrustes" else {}
    regularizer = REGULARIZERS[name](sites, sv_strength=0.5, **knobs)
    penalty = regularizer.penalty()
    if penalty is not None:
        penalty.backward()
    regularizer.after_step(make_generator())
    still = [
        site.name
        for site in sites
        if site.layer.weight.grad is None and torch.equal(site.layer.weight, before[site.name])
    ]
    assert still == ([] if side == 8 else ["blocks.2.branch.0"])


@pytest.mark.parametrize("sv_layers", SV_LAYERS)
@pytest.mark.parametrize("name", PENALTIES)
def test_gradients_of_penalties_are_those_of_finite_differences(name: str, sv_layers: str) -> None:
    network = build_network(
        depth=10, transition="bare", ordering="full_preactivation", width=2, in_channels=1, generator=make_generator()
    ).double()
    regularizer = REGULARIZERS[name](
        find_sites(network, torch.zeros(1, 1, 16, 16, dtype=torch.float64), sv_layers=sv_layers), sv_strength=0.3
    )
    penalty = regularizer.penalty()
    assert penalty is not None
    penalty.backward()
    step = 1e-6
    for site in regularizer.sites:
        weight = site.layer.weight
        direction = torch.randn(weight.shape, generator=make_generator(7), dtype=torch.float64)
        values: list[float] = []
        for sign in (1, -1):
            with torch.no_grad():
                weight.add_(sign * step * direction)
                values.append(float(regularizer.penalty()))  # type: ignore[arg-type]
                weight.sub_(sign * step * direction)
        assert weight.grad is not None
        slope = float((weight.grad * direction).sum())
        assert (values[0] - values[1]) / (2 * step) == pytest.approx(slope, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", PENALTIES)
def test_the_penalty_is_zero_at_the_target(name: str) -> None:
    network = procrustes_resnet()
    make_regularizer("procrustes", network, sv_layers="transitions", sv_strength=1.0, sv_frequency=1.0).after_step(
        make_generator()
    )
    penalty = make_regularizer(name, network, sv_layers="transitions", sv_strength=1.0).penalty()
    assert penalty is not None
    assert float(penalty.detach()) < 1e-9


SMALL = {
    "depth": 10,
    "transition": "bare",
    "ordering": "full_preactivation",
    "width": 4,
    "epochs": 2,
    "train_examples": 96,
    "batch_size": 32,
    "analyses": [],
    "sv_layers": "stem+transitions",
}


def small(**fields: Any) -> TrainSpec:
    return TrainSpec.parse({**SMALL, **fields})


@pytest.mark.parametrize("name", [name for name in REGULARIZERS if name != "none"])
def test_strength_zero_is_bit_for_bit_no_regularizer(name: str) -> None:
    plain, zero = run_trial(small()), run_trial(small(regularizer=name, sv_strength=0))
    assert plain.spec == zero.spec
    assert [m.train_loss for m in plain.history] == [m.train_loss for m in zero.history]


@pytest.mark.parametrize("name", [name for name in REGULARIZERS if name != "none"])
def test_a_strength_changes_the_training(name: str) -> None:
    assert run_trial(small(regularizer=name, sv_strength=0.5)).test_loss != run_trial(small()).test_loss


@pytest.mark.parametrize("name", [name for name in REGULARIZERS if name != "none"])
def test_a_training_that_breaks_has_diverged_and_not_failed(name: str) -> None:
    """Decompositions refuse numbers that are not finite; the loss is what says so."""
    result = run_trial(small(regularizer=name, sv_strength=1.0, sv_frequency=1.0, learning_rate=1e30))
    assert result.status == "diverged"


def test_knobs_without_effect_make_no_second_trial() -> None:
    with_all = {"regularizer": "procrustes", "sv_strength": 1.0}
    nothing = small(**with_all, transition="pad", depth=8, sv_layers="transitions", sv_frequency=1.0)
    assert check_trial(nothing).key == check_trial(small(transition="pad", depth=8)).key
    published = small(**with_all, sv_layers="transitions", sv_stem="published")
    assert check_trial(published).key == check_trial(small(**with_all, sv_layers="transitions")).key
    never = check_trial(small(**with_all, sv_frequency=0.0))
    assert never.key == check_trial(small()).key
    penalty = small(regularizer="spectral_penalty", sv_strength=1.0)
    assert check_trial(penalty.replace(sv_frequency=0.0)).key == check_trial(penalty).key != never.key
    assert check_trial(penalty.replace(sv_frequency=0.1)).key == check_trial(penalty).key


def test_procrustes_takes_at_most_the_whole_way() -> None:
    with pytest.raises(SpecError, match="sv_strength: procrustes moves by a part of the way, at most 1; got 2"):
        check_trial(small(regularizer="procrustes", sv_strength=2))
