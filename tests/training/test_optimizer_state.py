"""Whatever an optimizer remembers comes back as it was, also one of another package."""

from typing import Any

import pytest
import torch

from resablate.training.optimizer_state import optimizer_tensors, restore_optimizer
from tests.networks import make_generator


class Remembering(torch.optim.Optimizer):
    """Keeps numbers and tensors of every kind, for parameters and for groups, as optimizers of other packages do."""

    def __init__(self, parameters: list[torch.nn.Parameter]) -> None:
        super().__init__(parameters, {"lr": 0.1, "distance": 1e-6, "betas": (0.9, 0.99), "steps": 0, "trained": False})

    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            group["steps"] += 1
            group["distance"] *= 1.1
            group["trained"] = True
            group["total"] = group.get("total", torch.zeros(())) + 1.5
            for parameter in group["params"]:
                state = self.state[parameter]
                state["step"] = state.get("step", 0) + 1
                state["scale"] = state.get("scale", 1.0) / 3
                state["mean"] = state.get("mean", torch.zeros_like(parameter)) * 0.9 + parameter.grad
                state["rows"] = state["mean"].sum(-1)
                state["nothing"] = None
                parameter.data -= group["lr"] * state["scale"] * state["mean"] * (1 - 0.9 ** state["step"])


def make_optimizer() -> Remembering:
    draw = make_generator()
    return Remembering([torch.nn.Parameter(torch.randn(3, 4, generator=draw)) for _ in range(2)])


def steps(optimizer: torch.optim.Optimizer, numbers: range) -> None:
    for number in numbers:
        for group in optimizer.param_groups:
            for place, parameter in enumerate(group["params"]):
                parameter.grad = torch.randn(parameter.shape, generator=make_generator(10 * number + place))
        optimizer.step()


def parameters(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [parameter.detach().clone() for group in optimizer.param_groups for parameter in group["params"]]


def test_an_optimizer_continues_bit_for_bit() -> None:
    whole, stopped, continued = make_optimizer(), make_optimizer(), make_optimizer()
    steps(whole, range(5))
    steps(stopped, range(3))
    restore_optimizer(continued, {name: value.clone() for name, value in optimizer_tensors(stopped).items()})
    for target, value in zip(continued.param_groups[0]["params"], parameters(stopped), strict=True):
        target.data.copy_(value)
    steps(continued, range(3, 5))
    for ours, theirs in zip(parameters(continued), parameters(whole), strict=True):
        assert torch.equal(ours, theirs)
    for ours, theirs in zip(continued.state.values(), whole.state.values(), strict=True):
        assert (ours["step"], ours["scale"]) == (theirs["step"], theirs["scale"])
        assert type(ours["step"]) is int
        assert torch.equal(ours["rows"], theirs["rows"])
    ours, theirs = continued.param_groups[0], whole.param_groups[0]
    assert [ours[name] for name in ("steps", "distance", "trained", "betas")] == [
        theirs[name] for name in ("steps", "distance", "trained", "betas")
    ]
    assert ours["trained"] is True
    assert torch.equal(ours["total"], theirs["total"])


def test_a_fresh_optimizer_has_its_settings_alone() -> None:
    names = set(optimizer_tensors(make_optimizer()))
    assert names == {f"optimizer.group_number.0.{name}" for name in ("lr", "distance", "steps", "trained")}


def test_other_names_are_left_alone() -> None:
    optimizer = make_optimizer()
    restore_optimizer(optimizer, {"network.stem.weight": torch.zeros(1)})
    assert not optimizer.state


@pytest.mark.parametrize("name", ["optimizer.state.2.mean", "optimizer.state_number.2.step", "optimizer.group.1.total"])
def test_what_the_optimizer_does_not_have_is_named(name: str) -> None:
    with pytest.raises(RuntimeError, match=f"^{name}: the optimizer has [12] of its kind, counted from 0$"):
        restore_optimizer(make_optimizer(), {name: torch.zeros(())})
