"""The optimizers against their formulas written out, in double precision."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resablate.errors import UnknownName
from resablate.optimizers import OPTIMIZERS, WEIGHT_DECAYS
from tests.networks import make_generator, make_network

RATE = 0.05
ROUNDING = 1e-13


def make_pair() -> tuple[nn.Module, list[Tensor]]:
    """A convolution with a bias, and its values by themselves."""
    layer = nn.Conv2d(2, 3, 3).double()
    draw = make_generator()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw, dtype=torch.float64))
    return layer, [parameter.detach().clone() for parameter in layer.parameters()]


def gradients(step: int) -> list[Tensor]:
    draw = make_generator(100 + step)
    return [torch.randn(shape, generator=draw, dtype=torch.float64) for shape in ((3, 2, 3, 3), (3,))]


def steps_of(name: str, layer: nn.Module, count: int, **known: Any) -> None:
    optimizer = OPTIMIZERS[name](layer, learning_rate=RATE, **known)
    for step in range(count):
        for parameter, gradient in zip(layer.parameters(), gradients(step), strict=True):
            parameter.grad = gradient
        optimizer.step()


def assert_values(layer: nn.Module, expected: list[Tensor]) -> None:
    for parameter, value in zip(layer.parameters(), expected, strict=True):
        assert torch.allclose(parameter, value, rtol=ROUNDING, atol=ROUNDING)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("weight_decay_on", WEIGHT_DECAYS)
def test_sgd_by_hand(nesterov: bool, weight_decay_on: str) -> None:
    """v <- m v + g + d w; w <- w - r v, or with Nesterov's look ahead w <- w - r (g + d w + m v)."""
    layer, values = make_pair()
    known = {"momentum": 0.8, "nesterov": nesterov, "weight_decay": 0.3, "weight_decay_on": weight_decay_on}
    steps_of("sgd", layer, 4, **known)
    decays = [0.3, 0.3 if weight_decay_on == "all" else 0.0]
    speeds = [torch.zeros_like(value) for value in values]
    for step in range(4):
        for place, gradient in enumerate(gradients(step)):
            whole = gradient + decays[place] * values[place]
            speeds[place] = 0.8 * speeds[place] + whole
            values[place] = values[place] - RATE * (whole + 0.8 * speeds[place] if nesterov else speeds[place])
    assert_values(layer, values)


@pytest.mark.parametrize("weight_decay_on", WEIGHT_DECAYS)
def test_adamw_by_hand(weight_decay_on: str) -> None:
    """Algorithm 2 of arXiv 1711.05101, with the decay scaled by the rate as in torch."""
    layer, values = make_pair()
    known = {"beta1": 0.8, "beta2": 0.95, "weight_decay": 0.3, "weight_decay_on": weight_decay_on}
    steps_of("adamw", layer, 4, **known)
    decays = [0.3, 0.3 if weight_decay_on == "all" else 0.0]
    means = [torch.zeros_like(value) for value in values]
    squares = [torch.zeros_like(value) for value in values]
    for step in range(4):
        for place, gradient in enumerate(gradients(step)):
            means[place] = 0.8 * means[place] + 0.2 * gradient
            squares[place] = 0.95 * squares[place] + 0.05 * gradient**2
            mean = means[place] / (1 - 0.8 ** (step + 1))
            root = (squares[place] / (1 - 0.95 ** (step + 1))).sqrt()
            values[place] = (1 - RATE * decays[place]) * values[place] - RATE * mean / (root + 1e-8)
    assert_values(layer, values)


def test_nesterov_needs_momentum() -> None:
    """Torch refuses it without; a sweep over the momentum may begin at 0."""
    layer, values = make_pair()
    steps_of("sgd", layer, 1, momentum=0.0, nesterov=True, weight_decay=0.0)
    assert_values(layer, [value - RATE * gradient for value, gradient in zip(values, gradients(0), strict=True)])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_parameter_is_in_one_group(name: str) -> None:
    network = make_network(shortcut="exclusive_gate")
    for on in WEIGHT_DECAYS:
        optimizer = OPTIMIZERS[name](network, learning_rate=RATE, weight_decay=0.5, weight_decay_on=on)
        held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        assert sorted(map(id, held)) == sorted(map(id, network.parameters()))
        assert all(group["lr"] == RATE for group in optimizer.param_groups)
        decayed = {id(p) for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]}
        kernels = {id(p) for p in network.parameters() if p.ndim > 1}
        assert decayed == (kernels if on == "convolutions" else set(map(id, held)))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_choice_in_no_table_is_answered_with_the_rows(name: str) -> None:
    with pytest.raises(UnknownName, match=r"^unknown weight_decay_on 'convolution'; did you mean 'convolutions'"):
        OPTIMIZERS[name](make_network(), learning_rate=RATE, weight_decay_on="convolution")


def test_the_arguments_of_the_rows() -> None:
    """He et al. 2016, appendix, without Nesterov; torch's own for AdamW."""
    assert {name: dict(OPTIMIZERS.arguments(name)) for name in ("sgd", "adamw")} == {
        "sgd": {"momentum": 0.9, "nesterov": False, "weight_decay": 1e-4, "weight_decay_on": "all"},
        "adamw": {"beta1": 0.9, "beta2": 0.999, "weight_decay": 1e-2, "weight_decay_on": "all"},
    }
    assert all(OPTIMIZERS.types(name).keys() == OPTIMIZERS.arguments(name).keys() for name in OPTIMIZERS)


def test_muon_of_a_kernel_is_torch_s_of_its_matrix() -> None:
    """A 1x1 kernel and the same numbers as a matrix, which is all that torch's own takes."""
    kernel = nn.Conv2d(6, 4, 1, bias=False)
    matrix = nn.Parameter(kernel.weight.detach().flatten(1).clone())
    ours = OPTIMIZERS["muon"](kernel, learning_rate=RATE, momentum=0.9, weight_decay=0.2)
    theirs = torch.optim.Muon([matrix], lr=RATE, momentum=0.9, weight_decay=0.2)
    for step in range(4):
        gradient = torch.randn(4, 6, generator=make_generator(step))
        kernel.weight.grad, matrix.grad = gradient.view(4, 6, 1, 1), gradient.clone()
        ours.step()
        theirs.step()
    # Torch multiplies a bfloat16 number by the rate, this by its float32 value: eight bits of some steps of 0.05.
    assert torch.allclose(kernel.weight.flatten(1), matrix, atol=4 * RATE * 2**-8)


def test_muon_makes_singular_values_nearly_equal() -> None:
    layer = nn.Conv2d(3, 8, 3, bias=False)
    before = layer.weight.detach().clone()
    optimizer = OPTIMIZERS["muon"](layer, learning_rate=1.0, weight_decay=0.0)
    layer.weight.grad = torch.randn(8, 3, 3, 3, generator=make_generator())
    optimizer.step()
    values = torch.linalg.svdvals((layer.weight.detach() - before).flatten(1))
    assert 0.6 < float(values.min()) <= float(values.max()) < 1.3, "the quintic leaves 0.68 to 1.13, and bfloat16"


def test_muon_takes_plain_steps_for_all_but_kernels() -> None:
    """v <- m v + (1 - m) g; w <- (1 - r d) w - r f ((1 - m) g + m v)."""
    layer, values = make_pair()
    steps_of("muon", layer, 3, momentum=0.8, weight_decay=0.3, others_factor=0.5)
    mean, bias = torch.zeros(3, dtype=torch.float64), values[1]
    for step in range(3):
        gradient = gradients(step)[1]
        mean = 0.8 * mean + 0.2 * gradient
        bias = (1 - RATE * 0.3) * bias - 0.5 * RATE * (0.2 * gradient + 0.8 * mean)
    assert torch.allclose(dict(layer.named_parameters())["bias"], bias, rtol=1e-12)
