"""The optimizers of a pack's members as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, final

import torch
from torch import Tensor

from resablate.model.packing import PackedNetwork, windows
from resablate.training.optimizer_state import places_of_counts

Factor = float | Tensor
"""One number for all of a pack's numbers, or one for each."""


@dataclass(frozen=True)
class JointUpdate:
    """How one kind of optimizer updates all members at once; a row of UPDATES."""

    update: Callable[[Tensor, Tensor, Callable[[Tensor], Factor], Tensor, Mapping[str, Any]], None]
    """Parameters and gradients (N,); a function from one number per member (K,) to factors; rates (K,); and by name the
    group's numbers, what is kept, and `steps` (K,), the number of this step -> changed in place."""
    keeps: Callable[[Mapping[str, Any]], Sequence[str]]
    """A group -> what is kept for each of its parameters between steps, of the parameter's shape."""
    factors: tuple[str, ...]
    """Numbers of a group by which members and groups may differ; all others must be equal."""
    plain: Mapping[str, Any]
    """What a group must hold, for `update` knows of nothing else."""
    counter: str = ""
    """What the optimizer calls its count of steps, if it keeps one."""


def _sgd(
    values: Tensor, gradient: Tensor, spread: Callable[[Tensor], Factor], rates: Tensor, of: Mapping[str, Any]
) -> None:
    _add_product(gradient, values, of["weight_decay"])
    if "momentum_buffer" in of:
        momentum = of["momentum_buffer"].mul_(of["momentum"]).add_(gradient)
        if of["nesterov"]:
            _add_product(gradient, momentum, of["momentum"])
        else:
            gradient = momentum
    _add_product(values, gradient, spread(-rates))


def _adamw(
    values: Tensor, gradient: Tensor, spread: Callable[[Tensor], Factor], rates: Tensor, of: Mapping[str, Any]
) -> None:
    beta1, beta2 = of["betas"]
    _add_product(values, values, -of["weight_decay"] * spread(rates))
    mean = of["exp_avg"].lerp_(gradient, 1 - beta1)
    square = of["exp_avg_sq"].mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    root = square.sqrt().div_(spread((1 - beta2 ** of["steps"]).sqrt())).add_(of["eps"])
    _add_product(values, mean.div(root), spread(-rates / (1 - beta1 ** of["steps"])))


def _add_product(target: Tensor, source: Tensor, factor: Factor) -> None:
    if isinstance(factor, Tensor):
        target.addcmul_(source, factor)
    else:
        target.add_(source, alpha=factor)


UPDATES: Mapping[type[torch.optim.Optimizer], JointUpdate] = {
    torch.optim.SGD: JointUpdate(
        _sgd,
        keeps=lambda group: ["momentum_buffer"] if group["momentum"] else [],
        factors=("weight_decay", "momentum"),
        plain={"dampening": 0, "maximize": False},
    ),
    torch.optim.AdamW: JointUpdate(
        _adamw,
        keeps=lambda group: ["exp_avg", "exp_avg_sq"],
        factors=("weight_decay",),
        plain={"amsgrad": False, "maximize": False, "decoupled_weight_decay": True},
        counter="step",
    ),
}
"""Exact type of an optimizer -> how a pack of them updates. Others update one member after the other."""


@final
class PackedOptimizer(torch.optim.Optimizer):
    """Updates the parameters of a pack, each member's by its own rate and the numbers of its own optimizer.

    What is kept between steps lies in one tensor for the whole pack, on which the members' optimizers have windows:
    each can be stored and loaded by itself, as if its member trained alone.

    Args:
        network: the pack.
        members: the optimizer of each member, all of one kind, whose groups are alike.
        penalized: parameters of members that have gradients of their own, which are added to the pack's.

    Attributes:
        rates_differ: whether members may have different rates in the steps to come.
    """

    def __init__(
        self,
        network: PackedNetwork,
        members: Sequence[torch.optim.Optimizer],
        *,
        penalized: Iterable[Tensor] = (),
    ) -> None:
        self._parameters = list(network.network.parameters())
        super().__init__(self._parameters, {"lr": 0.0})
        self.rates_differ = True
        self._network = network
        self._members = tuple(members)
        self._own = [list(member.parameters()) for member in network.members]
        chosen = {id(parameter) for parameter in penalized}
        self._penalized = [
            (ours, member, theirs)
            for member, parameters in enumerate(self._own)
            for ours, theirs in zip(self._parameters, parameters, strict=True)
            if id(theirs) in chosen
        ]
        self._joint = _joint_update(self._members)
        self._of: dict[str, Any] = self._gather(self._joint) if self._joint else {}

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One update by the gradients of the pack's parameters and those that `penalized` have of their own."""
        for ours, member, theirs in self._penalized:
            if theirs.grad is not None and ours.grad is not None:
                ours.grad[member].add_(theirs.grad)
                theirs.grad = None
        gradient = torch.cat([cast(Tensor, parameter.grad).flatten() for parameter in self._parameters])
        rates: Tensor = self.param_groups[0]["lr"]
        if self._joint:
            self._of["steps"] += 1
            self._joint.update(self._network.flat, gradient, self._spread, rates, self._of)
        else:
            self._update_each(gradient, rates)

    def store(self) -> None:
        """Bring the members' optimizers up to date in what they have no window on: rates, and counts of steps."""
        rates = cast(Tensor, self.param_groups[0]["lr"]).tolist()
        for member, optimizer in enumerate(self._members):
            for group in optimizer.param_groups:
                group["lr"] = rates[member]
            if self._joint and self._joint.counter:
                done = self._of["steps"][member].to(places_of_counts(optimizer)[0], torch.float32)
                for parameter in self._own[member]:
                    optimizer.state[parameter][self._joint.counter] = done.clone()

    def _update_each(self, gradient: Tensor, rates: Tensor) -> None:
        for member, optimizer in enumerate(self._members):
            parts = windows(gradient, self._parameters)
            for parameter, part in zip(self._own[member], parts, strict=True):
                parameter.grad = part[member]
            for group in optimizer.param_groups:
                group["lr"] = rates[member]
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def _spread(self, values: Tensor) -> Factor:
        """One number per member (K,) as one for each of the pack's numbers."""
        values = values.to(self._network.flat.dtype)
        differ = self.rates_differ or self._of["steps_differ"]
        return values.index_select(0, self._network.owner) if differ else values[0]

    def _gather(self, joint: JointUpdate) -> dict[str, Any]:
        """What `joint` needs, from the members' optimizers, which get windows on what they keep."""
        flat = self._network.flat
        steps = [_steps_done(optimizer, joint.counter) for optimizer in self._members]
        gathered: dict[str, Any] = {
            **self._members[0].param_groups[0],
            **{name: self._factor(name) for name in joint.factors},
            "steps": torch.tensor(steps, dtype=torch.float64, device=flat.device),
            "steps_differ": len(set(steps)) > 1,
        }
        for member, optimizer in enumerate(self._members):
            for name in joint.keeps(optimizer.param_groups[0]):
                kept = gathered.setdefault(name, torch.zeros_like(flat))
                for parameter, part in zip(self._own[member], windows(kept, self._parameters), strict=True):
                    state = optimizer.state[parameter]
                    if name in state:
                        part[member].copy_(state[name])
                    state[name] = part[member]
        return gathered

    def _factor(self, name: str) -> Factor:
        """A number of the members' groups: itself where all are equal, else as one for each of the pack's numbers."""
        known = [
            {id(parameter): float(group[name]) for group in optimizer.param_groups for parameter in group["params"]}
            for optimizer in self._members
        ]
        values = [
            [numbers[id(parameter)] for numbers, parameter in zip(known, parameters, strict=True)]
            for parameters in zip(*self._own, strict=True)
        ]
        if len({value for row in values for value in row}) == 1:
            return values[0][0]
        flat = self._network.flat
        parts = [
            flat.new_tensor(row).repeat_interleave(parameter[0].numel())
            for row, parameter in zip(values, self._parameters, strict=True)
        ]
        return torch.cat(parts)


def _joint_update(members: Sequence[torch.optim.Optimizer]) -> JointUpdate | None:
    """The row for optimizers that it knows all about, else None."""
    joint = UPDATES.get(type(members[0]))
    if joint is None or any(type(member) is not type(members[0]) for member in members):
        return None
    own = {"params", "lr", *joint.factors}
    groups = [group for member in members for group in member.param_groups]
    alike = [{name: value for name, value in group.items() if name not in own} for group in groups]
    # Nesterov's momentum is none where there is no momentum; torch refuses it there.
    for group, values in zip(groups, alike, strict=True):
        if "nesterov" in values and not group["momentum"]:
            values["nesterov"] = alike[0]["nesterov"]
    plain = all(alike[0].get(name) == value for name, value in joint.plain.items())
    return joint if plain and all(values == alike[0] for values in alike) else None


def _steps_done(optimizer: torch.optim.Optimizer, counter: str) -> float:
    """Those that its first parameter has made; 0 where it keeps no count."""
    state = optimizer.state.get(optimizer.param_groups[0]["params"][0], {})
    return float(state.get(counter, 0))
