"""Limits on the gradient of a step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt
from torch import Tensor, nn

from resablate.component import parse_component
from resablate.model import ComponentLike
from resablate.registry import Registry

Limit = Callable[[Iterable[Tensor]], object]
"""Changes the gradients of these parameters in place."""


@dataclass(frozen=True)
class Clipping:
    """A row of the table."""

    limit: Callable[..., Limit | None]
    """Its arguments -> what limits the gradients; None where nothing does."""
    packs: bool = False
    """Whether the gradients of several networks may be limited as those of one."""

    @property
    def functions(self) -> tuple[Callable[..., Limit | None], ...]:
        """Those whose keywords are the row's arguments."""
        return (self.limit,)


def no_limit() -> Limit | None:
    """The gradients as they are."""
    return None


def norm_limit(*, max_norm: Annotated[float, Gt(0)] = 1.0) -> Limit:
    """All gradients together scaled down to a norm, where theirs is larger.

    Args:
        max_norm: the largest 2-norm of all gradients as one vector.

    Source: Pascanu et al., arXiv 1211.5063, algorithm 1; torch's `clip_grad_norm_`.
    """
    return lambda parameters: nn.utils.clip_grad_norm_(parameters, max_norm)


def value_limit(*, max_value: Annotated[float, Gt(0)] = 1.0) -> Limit:
    """Each number of each gradient cut off at a size.

    Args:
        max_value: the largest size.

    Source: torch's `clip_grad_value_`.
    """
    return lambda parameters: nn.utils.clip_grad_value_(parameters, max_value)


CLIPPINGS: Registry[Clipping] = Registry(
    "clipping",
    "clippings",
    {
        "none": Clipping(no_limit, packs=True),
        "norm": Clipping(norm_limit),
        "value": Clipping(value_limit),
    },
)


def limit_of(clipping: ComponentLike) -> Limit | None:
    """What a row of CLIPPINGS, by its name or with arguments, does with gradients; None where it does nothing."""
    component = parse_component(clipping)
    return CLIPPINGS[component.name].limit(**component.values)
