"""Averages of a network's weights over the steps of its training."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor, nn

from resablate.component import parse_component
from resablate.model import ComponentLike
from resablate.registry import Registry

Share = Callable[[int], float]
"""Steps that are in the average -> the share that the next one gets in it."""
_PREFIX = "averaging"


@dataclass(frozen=True)
class Averaging:
    """A row of the table."""

    share: Callable[..., Share | None]
    """Its arguments -> the share of a step; None where nothing is averaged."""
    packs: bool = False

    @property
    def functions(self) -> tuple[Callable[..., Share | None], ...]:
        """Those whose keywords are the row's arguments."""
        return (self.share,)


def no_average() -> Share | None:
    """The weights of the last step."""
    return None


def exponential_average(*, decay: Annotated[float, Interval(ge=0, lt=1)] = 0.999) -> Share:
    """An average in which a step counts `decay` times as much as the one after it.

    Parameters and batch norm's running statistics are averaged. The first step starts the average.

    Args:
        decay: what remains of the average in each step.

    Source: Polyak & Juditsky 1992 for averaging; torch's AveragedModel with `get_ema_multi_avg_fn` and `use_buffers`.
    """
    return lambda count: 1 - decay if count else 1.0


AVERAGINGS: Registry[Averaging] = Registry(
    "averaging",
    "averagings",
    {"none": Averaging(no_average, packs=True), "ema": Averaging(exponential_average)},
)


class AveragedWeights:
    """A network that is the average of its training outside of its steps, and the last step's network inside of them.

    Whoever evaluates, asks or stores the network between epochs has the average. Both places in memory stay where they
    are: a recorded step knows them.

    Args:
        network: in training.
        averaging: a row of AVERAGINGS, by its name or with arguments.
    """

    def __init__(self, network: nn.Module, averaging: ComponentLike) -> None:
        component = parse_component(averaging)
        self._share = AVERAGINGS[component.name].share(**component.values)
        self._count = 0
        everything: Iterable[tuple[str, Tensor]] = [*network.named_parameters(), *network.named_buffers()]
        self._held = {name: t for name, t in everything if t.is_floating_point()} if self._share else {}
        self._average = {name: held.data for name, held in self._held.items()}
        self._of_steps = {name: held.data.clone() for name, held in self._held.items()}

    @contextmanager
    def of_steps(self) -> Generator[None]:
        """The network of the last step inside, and the average outside."""
        self._place(self._of_steps)
        try:
            yield
        finally:
            self._place(self._average)

    @torch.no_grad()
    def add_step(self) -> None:
        """Take the network as it is, inside of `of_steps`, into the average."""
        if self._share is None:
            return
        share = self._share(self._count)
        self._count += 1
        for name, held in self._held.items():
            self._average[name].lerp_(held.data, share)

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint holds beside the average: the network of the last step, and the count of steps."""
        if self._share is None:
            return {}
        last = {f"{_PREFIX}.last.{name}": value for name, value in self._of_steps.items()}
        return {**last, f"{_PREFIX}.count": torch.tensor(self._count)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` gave.

        Raises:
            RuntimeError: if a tensor is missing, or of another shape.
        """
        if self._share is None:
            return
        try:
            for name, value in self._of_steps.items():
                value.copy_(tensors[f"{_PREFIX}.last.{name}"])
            self._count = int(tensors[f"{_PREFIX}.count"])
        except KeyError as missing:
            raise RuntimeError(f"{missing.args[0]}: missing, but weights are averaged") from None

    def _place(self, places: Mapping[str, Tensor]) -> None:
        for name, held in self._held.items():
            held.data = places[name]
