"""Each shortcut against its formula in He et al. 2016, Figure 2, written out by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from resablate.component import Component
from resablate.model import build_network
from resablate.shortcuts import ANYWHERE, SHORTCUTS, Place, Shortcut, build_shortcut
from resablate.shortcuts.conv1x1 import Conv1x1
from tests.networks import SHORTCUT_NAMES


def make(
    name: str, *, inside: int = 2, outside: int = 2, stride: int = 1, place: Place = ANYWHERE, **known: float | bool
) -> Shortcut:
    torch.manual_seed(0)
    row = Component(name, known)
    return build_shortcut(row, in_channels=inside, out_channels=outside, stride=stride, place=place).double()


@pytest.fixture
def x() -> Tensor:
    return torch.randn(3, 2, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def residual() -> Tensor:
    return torch.randn(3, 2, 5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def set_gate(shortcut: Shortcut, weight: Tensor, bias: Tensor) -> None:
    gate = shortcut.get_submodule("gate")
    assert isinstance(gate, nn.Conv2d)
    assert gate.bias is not None
    with torch.no_grad():
        gate.weight.copy_(weight.view(*weight.shape, 1, 1))
        gate.bias.copy_(bias)


def test_the_table_is_the_paper_s() -> None:
    assert tuple(SHORTCUTS)[: len(SHORTCUT_NAMES)] == SHORTCUT_NAMES


def test_identity(x: Tensor, residual: Tensor) -> None:
    carried, added = make("identity")(x, residual)
    assert torch.equal(carried, x)
    assert torch.equal(added, residual)


def test_matching_of_dimensions_takes_every_second_pixel_and_adds_zero_channels(x: Tensor) -> None:
    matched = make("identity", outside=5, stride=2).bypass(x)
    assert matched.shape == (3, 5, 3, 2)
    for row in range(3):
        for column in range(2):
            assert torch.equal(matched[:, :2, row, column], x[:, :, 2 * row, 2 * column])
    assert not matched[:, 2:].any()


def test_constant_scale(x: Tensor, residual: Tensor) -> None:
    carried, added = make("constant_scale")(x, residual)
    assert torch.equal(carried, 0.5 * x)
    assert torch.equal(added, 0.5 * residual)
    carried, added = make("constant_scale", carried_factor=0.25, added_factor=3.0)(x, residual)
    assert torch.equal(carried, 0.25 * x)
    assert torch.equal(added, 3 * residual)


@pytest.mark.parametrize("name", ["exclusive_gate", "shortcut_only_gate"])
def test_gates_by_hand(name: str, x: Tensor, residual: Tensor) -> None:
    shortcut = make(name)
    weight = torch.tensor([[0.5, -1.0], [2.0, 0.25]], dtype=torch.float64)
    bias = torch.tensor([0.1, -0.2], dtype=torch.float64)
    set_gate(shortcut, weight, bias)
    with torch.no_grad():
        carried, added = shortcut(x, residual)
    for b, c, i, j in ((0, 0, 0, 0), (2, 1, 4, 3), (1, 0, 2, 1)):
        inner = sum(float(weight[c, k] * x[b, k, i, j]) for k in range(2)) + float(bias[c])
        gate = 1 / (1 + math.exp(-inner))
        assert float(carried[b, c, i, j]) == pytest.approx((1 - gate) * float(x[b, c, i, j]), rel=1e-12)
        scale = gate if name == "exclusive_gate" else 1
        assert float(added[b, c, i, j]) == pytest.approx(scale * float(residual[b, c, i, j]), rel=1e-12)


@pytest.mark.parametrize("name", ["exclusive_gate", "shortcut_only_gate"])
def test_a_gate_starts_at_its_bias(name: str) -> None:
    for known, bias in (({}, -6.0), ({"bias": -3.0}, -3.0)):
        layer = make(name, **known).get_submodule("gate")
        assert isinstance(layer, nn.Conv2d)
        assert layer.bias is not None
        assert layer.bias.tolist() == [bias, bias]


def test_shortcut_only_gate_tends_to_the_identity(x: Tensor, residual: Tensor) -> None:
    identity = make("identity")(x, residual)
    gaps: list[float] = []
    for bias in (0.0, -6.0, -12.0, -60.0):
        shortcut = make("shortcut_only_gate", bias=bias)
        addends = shortcut(x, residual)
        assert torch.equal(addends.added, residual)
        gaps.append(float((addends.carried - identity.carried).detach().abs().max()))
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 0.1
    assert gaps[-1] == 0, "sigmoid(-60) is below half a unit in the last place of 1"


def test_an_open_exclusive_gate_passes_the_branch_alone(x: Tensor, residual: Tensor) -> None:
    carried, added = make("exclusive_gate", bias=60.0)(x, residual)
    assert not carried.any(), "sigmoid(60) is nearer to 1 than to any other double"
    assert torch.equal(added, residual)


def test_a_gate_in_a_block_that_widens_sees_the_matched_x(x: Tensor) -> None:
    shortcut = make("shortcut_only_gate", outside=3, stride=2)
    set_gate(shortcut, torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))
    matched = make("identity", outside=3, stride=2).bypass(x)
    assert torch.allclose(shortcut.bypass(x), (1 - matched.sigmoid()) * matched, rtol=1e-12)


def test_conv1x1_without_batch_norm_is_a_matrix(x: Tensor, residual: Tensor) -> None:
    shortcut = make("conv1x1", outside=3, stride=2, batch_norm=False)
    assert isinstance(shortcut, Conv1x1)
    carried = shortcut.bypass(x)
    expected = torch.einsum("oi,bihw->bohw", shortcut.conv.weight[:, :, 0, 0], x[:, :, ::2, ::2])
    assert torch.allclose(carried, expected, rtol=1e-12)
    assert shortcut.conv.bias is None
    assert sum(parameter.numel() for parameter in shortcut.parameters()) == 3 * 2
    assert torch.equal(make("conv1x1", batch_norm=False)(x, residual).added, residual)


def test_conv1x1_has_batch_norm_by_default(x: Tensor) -> None:
    shortcut = make("conv1x1").train()
    carried = shortcut.bypass(x).detach()
    assert carried.mean(dim=(0, 2, 3)).abs().max() < 1e-12
    assert torch.allclose(carried.var(dim=(0, 2, 3), unbiased=False), torch.ones(2, dtype=torch.float64), rtol=1e-3)
    assert sum(parameter.numel() for parameter in shortcut.parameters()) == 2 * 2 + 2 * 2


def test_dropout_scales_what_it_keeps_and_rests_in_eval_mode(residual: Tensor) -> None:
    x = torch.ones(4, 2, 50, 50, dtype=torch.float64)
    shortcut = make("dropout", rate=0.2)
    torch.manual_seed(0)
    carried = shortcut.train().bypass(x)
    kept = carried != 0
    assert torch.equal(carried[kept].unique(), torch.tensor([1 / 0.8], dtype=torch.float64))
    assert float(kept.double().mean()) == pytest.approx(0.8, abs=0.01)
    assert torch.equal(shortcut.eval().bypass(x), x)
    assert torch.equal(make("dropout")(torch.ones_like(residual), residual).added, residual)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_dropout_refuses_a_rate_that_is_no_part(rate: float) -> None:
    with pytest.raises(ValueError, match=rf"0 <= rate < 1 must hold, but got rate={rate}"):
        make("dropout", rate=rate)


def test_none_carries_zero_and_connects_its_neighbors_under_a_lesion(x: Tensor, residual: Tensor) -> None:
    shortcut = make("none")
    carried, added = shortcut(x, residual)
    assert not carried.any()
    assert torch.equal(added, residual)
    assert torch.equal(shortcut.bypass(x), x)
    assert not list(shortcut.parameters())


def test_the_arguments_of_the_rows() -> None:
    gate = {"bias": -6.0, "batch_norm": False}
    assert {name: dict(SHORTCUTS.arguments(name)) for name in SHORTCUT_NAMES} == {
        "identity": {},
        "constant_scale": {"carried_factor": 0.5, "added_factor": 0.5},
        "exclusive_gate": gate,
        "shortcut_only_gate": gate,
        "conv1x1": {"batch_norm": True},
        "dropout": {"rate": 0.5},
        "none": {},
    }
    assert all(SHORTCUTS.types(name).keys() == SHORTCUTS.arguments(name).keys() for name in SHORTCUTS)


# --- since 2016


def test_skip_init_is_not_there_yet(x: Tensor, residual: Tensor) -> None:
    """De & Smith: a learned number, 0 at the start; then as large as it has been learned."""
    shortcut = make("skip_init")
    carried, added = shortcut(x, residual)
    assert torch.equal(carried, x)
    assert not added.any()
    assert not shortcut.adds
    with torch.no_grad():
        shortcut.get_parameter("scale.weight").fill_(-0.5)
    assert shortcut.adds
    assert torch.equal(shortcut(x, residual).added, -0.5 * residual)
    assert torch.equal(shortcut.bypass(x), x)


def test_layer_scale_has_a_number_for_each_channel(x: Tensor, residual: Tensor) -> None:
    shortcut = make("layer_scale", initial=0.25)
    assert torch.equal(shortcut(x, residual).added, 0.25 * residual)
    with torch.no_grad():
        shortcut.get_parameter("scale.weight").copy_(torch.tensor([2.0, 0.0]))
    added = shortcut(x, residual).added
    assert torch.equal(added[:, 0], 2 * residual[:, 0])
    assert not added[:, 1].any()
    assert shortcut.adds


def test_depth_scale_is_a_power_of_the_depth(x: Tensor, residual: Tensor) -> None:
    place = Place(block=3, blocks=16)
    assert torch.equal(make("depth_scale", place=place)(x, residual).added, residual / 4)
    assert torch.equal(make("depth_scale", place=place, exponent=1.0)(x, residual).added, residual / 16)


def test_a_normalizer_free_branch_sees_a_variance_of_one(x: Tensor, residual: Tensor) -> None:
    """Brock et al.: beta^2 = 1 + n alpha^2, and the sum has alpha^2 more."""
    shortcut = make("normalizer_free", place=Place(5, 9, 2, 2), alpha=0.5)
    assert shortcut.input_factor == pytest.approx(1 / math.sqrt(1 + 2 * 0.25))
    carried, added = shortcut(x, residual)
    assert torch.equal(carried, x)
    assert torch.equal(added, 0.5 * residual)
    changing = make("normalizer_free", outside=4, stride=2, place=Place(3, 9, 0, 3), alpha=0.5)
    matched = make("identity", outside=4, stride=2).bypass(x)
    assert torch.allclose(changing.bypass(x), matched / math.sqrt(1 + 3 * 0.25), rtol=1e-12)


def test_a_normalizer_free_network_keeps_the_variance_that_it_expects() -> None:
    """Before training the input of a branch has a variance of about 1 at any depth; without alpha and beta it grows."""
    images = torch.randn(16, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    spread: dict[str, list[float]] = {}
    for name in ("normalizer_free", "identity"):
        network = build_network(
            shortcut=name,
            norm="none",
            ordering="full_preactivation",
            initialization="he_fan_in",
            depth=38,
            width=64,
            stem="raw",
            generator=torch.Generator().manual_seed(0),
        )
        x = network.stem(images) / network.stem(images).std()
        spread[name] = []
        for block in network.chain[:6]:
            spread[name].append(float((block.shortcut.input_factor * x).std().detach()))
            x = block(x)
    assert max(spread["normalizer_free"]) < 1.25, "64 channels err by a tenth"
    assert min(spread["normalizer_free"]) > 0.75
    assert spread["identity"][-1] > 3


def test_decayed_identity_falls_with_depth(x: Tensor, residual: Tensor) -> None:
    factors = [
        float((make("decayed_identity", place=Place(block, 4), final_factor=0.6).bypass(x) / x).mean())
        for block in range(4)
    ]
    assert factors == pytest.approx([0.9, 0.8, 0.7, 0.6])
    assert torch.equal(make("decayed_identity")(x, residual).added, residual)
    assert not make("decayed_identity", final_factor=0.0).carries


def test_learned_sum(x: Tensor, residual: Tensor) -> None:
    shortcut = make("learned_sum", carried_initial=0.5, added_initial=-2.0)
    carried, added = shortcut(x, residual)
    assert torch.equal(carried, 0.5 * x)
    assert torch.equal(added, -2 * residual)
    assert not make("learned_sum", added_initial=0.0).adds
    assert not make("learned_sum", carried_initial=0.0).carries


def test_squeeze_excitation_by_hand(x: Tensor, residual: Tensor) -> None:
    shortcut = make("squeeze_excitation", reduction=2)
    down, up = (shortcut.get_submodule(f"excite.{place}") for place in (1, 3))
    assert isinstance(down, nn.Conv2d)
    assert isinstance(up, nn.Conv2d)
    with torch.no_grad():
        down.weight.copy_(torch.tensor([0.5, -1.5]).view(1, 2, 1, 1))
        up.weight.copy_(torch.tensor([2.0, -1.0]).view(2, 1, 1, 1))
    means = residual.mean(dim=(2, 3))
    between = (0.5 * means[:, 0] - 1.5 * means[:, 1]).clamp_min(0)
    factors = torch.stack([2 * between, -between], dim=1).sigmoid()
    carried, added = shortcut(x, residual)
    assert torch.equal(carried, x)
    assert torch.allclose(added, factors[:, :, None, None] * residual, rtol=1e-12)


def test_a_stochastic_shortcut_leaves_out_whole_examples(residual: Tensor) -> None:
    x = torch.ones(400, 2, 3, 3, dtype=torch.float64)
    shortcut = make("stochastic_shortcut", rate=0.25)
    torch.manual_seed(0)
    carried = shortcut.train().bypass(x)
    each = carried.flatten(1)
    assert torch.equal(each.amin(1), each.amax(1)), "an example as a whole"
    assert set(each[:, 0].tolist()) == {0.0, 1 / 0.75}
    assert 0.65 < float((each[:, 0] > 0).double().mean()) < 0.85
    assert torch.equal(shortcut.eval().bypass(x), x)
