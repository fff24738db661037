"""The regularizers in closed form."""

import math
from typing import Any

import pytest
import torch

from resablate.errors import UnknownName
from resablate.model import TRANSITIONS, ResidualNetwork, build_network
from resablate.regularizers import REGULARIZERS, SV_LAYERS, SV_TARGETS, Regularizer, chosen_convolutions, find_sites
from resablate.shortcuts import SHORTCUTS
from tests.networks import make_generator

IMAGES = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
PENALTIES = ("spectral_penalty", "orthogonal_penalty")


def procrustes_resnet() -> ResidualNetwork:
    return build_network(
        depth=10, transition="bare", ordering="full_preactivation", width=4, in_channels=1, generator=make_generator()
    ).double()


def make_regularizer(
    name: str,
    network: ResidualNetwork,
    *,
    layers: str = "stem+transitions",
    images: torch.Tensor = IMAGES,
    **known: Any,
) -> Regularizer:
    return REGULARIZERS[name](network, images, layers=layers, **known)


def test_the_layers_have_names() -> None:
    network = procrustes_resnet()
    chosen = {name: [site.name for site in find_sites(network, IMAGES, layers=name)] for name in SV_LAYERS}
    assert chosen["transitions"] == ["blocks.1.entry.0", "blocks.2.entry.0"]
    assert chosen["stem+transitions"] == ["stem.0", *chosen["transitions"]]
    assert len(chosen["all"]) == 1 + 3 * 2 + 2
    sizes = {site.name: site.size for site in find_sites(network, IMAGES, layers="stem+transitions")}
    assert sizes == {"stem.0": (8, 8), "blocks.1.entry.0": (8, 8), "blocks.2.entry.0": (4, 4)}
    assert not [hook for module in network.modules() for hook in module._forward_pre_hooks]
    assert network.training


def test_projections_are_transitions_too() -> None:
    network = build_network(depth=8, transition="projection", in_channels=1).double()
    assert [s.name for s in find_sites(network, IMAGES, layers="transitions")] == [
        "blocks.1.shortcut.match.0",
        "blocks.2.shortcut.match.0",
    ]


@pytest.mark.parametrize("transition", TRANSITIONS)
@pytest.mark.parametrize("shortcut", SHORTCUTS)
def test_transitions_change_dimensions_themselves(shortcut: str, transition: str) -> None:
    depth = 10 if transition == "bare" else 8
    network = build_network(shortcut=shortcut, transition=transition, depth=depth, width=4, in_channels=1).double()
    sites = find_sites(network, IMAGES, layers="transitions")
    shapes = [(site.layer.in_channels, site.layer.out_channels, site.stride) for site in sites]
    own = shortcut == "conv1x1" or (transition == "projection" and shortcut != "none")
    assert shapes == ([(4, 8, 2), (8, 16, 2)] if own or transition == "bare" else [])


@pytest.mark.parametrize("layers", SV_LAYERS)
def test_a_vgg_has_convolutions_and_neither_stem_nor_transitions(layers: str) -> None:
    network = build_network(network="vgg", depth=5, width=2, in_channels=1).double()
    assert len(find_sites(network, IMAGES, layers=layers)) == (4 if layers == "all" else 0)


@pytest.mark.parametrize("layers", SV_LAYERS)
def test_the_choice_needs_no_weights(layers: str) -> None:
    """A check builds its networks without any."""
    fields: dict[str, Any] = {"depth": 8, "transition": "projection", "shortcut": "exclusive_gate", "in_channels": 1}
    with torch.device("meta"):
        network = build_network(**fields)
    names = [name for name, _ in chosen_convolutions(network, layers=layers)]
    assert names == [site.name for site in find_sites(build_network(**fields).double(), IMAGES, layers=layers)]


def test_targets() -> None:
    _, first, _ = find_sites(procrustes_resnet(), IMAGES, layers="stem+transitions")
    assert first.target("backward") == pytest.approx(math.sqrt(2))
    assert first.target("forward") == pytest.approx(2)
    assert first.target(0.7) == 0.7
    with pytest.raises(UnknownName, match="unknown regularizer_target 'backwards'; did you mean 'backward'"):
        first.target("backwards")
    assert list(SV_TARGETS) == ["backward", "forward"]


def test_the_arguments_of_the_rows() -> None:
    """Strength 1, frequency 1/2 and the backward target are the paper's; the strengths of the penalties are ours."""
    shared = {"layers": "all", "target": "backward"}
    assert {name: dict(REGULARIZERS.arguments(name)) for name in REGULARIZERS} == {
        "none": {},
        "procrustes": {"strength": 1.0, **shared, "frequency": 0.5, "stem": "corrected"},
        "spectral_penalty": {"strength": 1e-3, **shared},
        "orthogonal_penalty": {"strength": 1e-2, **shared},
    }


@pytest.mark.parametrize("name", [name for name in REGULARIZERS if name != "none"])
@pytest.mark.parametrize(("argument", "kind"), [("layers", "choice of layers"), ("target", "regularizer_target")])
def test_a_name_in_no_table_is_answered_with_the_rows(name: str, argument: str, kind: str) -> None:
    with pytest.raises(UnknownName, match=f"^unknown {kind} 'everything' .known: "):
        REGULARIZERS[name](procrustes_resnet(), IMAGES, **{argument: "everything"})


def test_a_stem_in_no_table_is_answered_with_the_rows() -> None:
    with pytest.raises(UnknownName, match=r"^unknown regularizer_stem 'none' .known: corrected, published, off"):
        make_regularizer("procrustes", procrustes_resnet(), stem="none")


@pytest.mark.parametrize("strength", [-0.1, 1.5])
def test_procrustes_takes_at_most_the_whole_way(strength: float) -> None:
    with pytest.raises(ValueError, match=f"0 <= strength <= 1 must hold, but got strength={strength}$"):
        make_regularizer("procrustes", procrustes_resnet(), strength=strength)


@pytest.mark.parametrize("name", REGULARIZERS)
def test_by_default_it_is_the_row_with_its_arguments_filled_in(name: str) -> None:
    """A training gives all arguments, defaults included."""
    penalties: list[float | None] = []
    for known in ({}, dict(REGULARIZERS.arguments(name))):
        penalty = REGULARIZERS[name](procrustes_resnet(), IMAGES, **known).penalty()
        penalties.append(None if penalty is None else float(penalty.detach()))
    assert penalties[0] == penalties[1], "the same kernels on the same numbers"
    assert (penalties[0] is None) == (name not in PENALTIES)


@pytest.mark.parametrize("condition", [1.0, 1e3])
def test_procrustes_at_full_strength_hits_the_target(condition: float) -> None:
    network = procrustes_resnet()
    sites = find_sites(network, IMAGES, layers="transitions")
    for site in sites:
        left, _, right = torch.linalg.svd(site.layer.weight.detach()[:, :, 0, 0], full_matrices=False)
        values = torch.logspace(0, -math.log10(condition), right.shape[0], dtype=torch.float64)
        with torch.no_grad():
            site.layer.weight.copy_(((left * values) @ right)[:, :, None, None])
    make_regularizer("procrustes", network, layers="transitions", frequency=1.0).after_step(make_generator())
    for site in sites:
        values = torch.linalg.svdvals(site.layer.weight.detach()[:, :, 0, 0])
        assert float((values - math.sqrt(2)).abs().max()) < 1e-6


def test_procrustes_goes_a_part_of_the_way() -> None:
    network = procrustes_resnet()
    before = network.get_parameter("blocks.1.entry.0.weight").detach().clone()
    half = make_regularizer("procrustes", network, strength=0.5, frequency=1.0)
    half.after_step(make_generator())
    left, _, right = torch.linalg.svd(before[:, :, 0, 0], full_matrices=False)
    expected = 0.5 * before[:, :, 0, 0] + 0.5 * math.sqrt(2) * left @ right
    assert torch.allclose(network.get_parameter("blocks.1.entry.0.weight")[:, :, 0, 0], expected, atol=1e-10)


def test_the_generator_decides_how_often() -> None:
    network = procrustes_resnet()
    regularizer = make_regularizer("procrustes", network, strength=0.1, frequency=0.5)
    draws, steps = make_generator(3), 0
    for _ in range(200):
        before = network.get_parameter("blocks.1.entry.0.weight").detach().clone()
        regularizer.after_step(draws)
        steps += not torch.allclose(before, network.get_parameter("blocks.1.entry.0.weight"), atol=0, rtol=0)
    assert 70 < steps < 130


def test_the_stem_can_be_left_alone() -> None:
    network = procrustes_resnet()
    before = network.get_parameter("stem.0.weight").detach().clone()
    make_regularizer("procrustes", network, strength=1.0, frequency=1.0, stem="off").after_step(make_generator())
    assert torch.equal(network.get_parameter("stem.0.weight"), before)


@pytest.mark.parametrize("name", ["procrustes", "spectral_penalty"])
@pytest.mark.parametrize("side", [8, 6], ids=["kernels larger than images", "odd sides"])
def test_every_size_of_image_can_be_trained_on(name: str, side: int) -> None:
    """8 gives 3x3 kernels on images of 2x2; 6 gives a stride of 2 on images of 3x3, and that layer is left alone."""
    network = build_network(depth=8, width=2, in_channels=1, generator=make_generator()).double()
    images = torch.zeros(1, 1, side, side, dtype=torch.float64)
    sites = find_sites(network, images, layers="all")
    before = {site.name: site.layer.weight.detach().clone() for site in sites}
    known = {"frequency": 1.0} if name == "procrustes" else {}
    regularizer = make_regularizer(name, network, images=images, layers="all", strength=0.5, **known)
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


@pytest.mark.parametrize("layers", SV_LAYERS)
@pytest.mark.parametrize("name", PENALTIES)
def test_gradients_of_penalties_are_those_of_finite_differences(name: str, layers: str) -> None:
    network = build_network(
        depth=10, transition="bare", ordering="full_preactivation", width=2, in_channels=1, generator=make_generator()
    ).double()
    images = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    regularizer = make_regularizer(name, network, images=images, layers=layers, strength=0.3)
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
    make_regularizer("procrustes", network, layers="transitions", strength=1.0, frequency=1.0).after_step(
        make_generator()
    )
    penalty = make_regularizer(name, network, layers="transitions", strength=1.0).penalty()
    assert penalty is not None
    assert float(penalty.detach()) < 1e-9
