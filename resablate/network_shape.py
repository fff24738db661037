"""What a trial's network is built from, and what can be told of it without memory for its weights."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch

from resablate.component import Component
from resablate.model import ResidualNetwork, build_network
from resablate.regularizers import chosen_convolutions
from resablate.spec import TrainSpec

_CACHED = 65_536
_KEPT = 32
"""Networks: that of a thousand layers takes some twenty megabytes."""


class NetworkShape(NamedTuple):
    """What a network is built from."""

    network: Component
    shortcut: Component
    ordering: Component
    norm: Component
    depth: int
    width: int

    @classmethod
    def of(cls, spec: TrainSpec) -> NetworkShape:
        """That of a trial."""
        return cls(spec.network, spec.shortcut, spec.ordering, spec.norm, spec.depth, spec.width)


@lru_cache(maxsize=_KEPT)
def built(shape: NetworkShape) -> ResidualNetwork:
    """The network, for images of one channel and without memory for its weights; for looking at alone."""
    with torch.device("meta"):
        return build_network(**shape._asdict(), in_channels=1)


@lru_cache(maxsize=_CACHED)
def why_refused(shape: NetworkShape) -> str:
    """Why there is no such network; empty if there is one."""
    try:
        built(shape)
    except ValueError as error:
        return str(error)
    return ""


@lru_cache(maxsize=_CACHED)
def block_count(shape: NetworkShape) -> int:
    """Blocks of the network."""
    return len(built(shape).chain)


@lru_cache(maxsize=_CACHED)
def has_convolutions(shape: NetworkShape, layers: str) -> bool:
    """Whether the network has any of the convolutions that regularizers call `layers`."""
    return bool(chosen_convolutions(built(shape), layers=layers))
