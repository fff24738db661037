"""What an adapter is: how the networks of another package are recognized, taken apart and built."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import nn

from resablate.model.network import ResidualNetwork


class Builder(Protocol):
    """Builds one network of another package with random weights."""

    def __call__(self, *, num_classes: int) -> nn.Module:
        """The network."""
        ...


class PretrainedBuilder(NamedTuple):
    """A network of another package by its name."""

    build: Builder
    head: str
    """Name of the last layer's weight, which has a row for each class."""


@dataclass(frozen=True)
class Adapter:
    """A row of the table.

    Args:
        networks: what it adapts, for people: "ResNets, Wide ResNets and ResNeXts of torchvision".
        recognizes: whether a network's class is one that it knows. It does not import the other package.
        adapt: such a network -> the same as a chain of blocks: parameters and buffers are shared, the logits equal bit
            for bit. Raises ResablateError, which names the module and what was expected, where it does not fit.
        builder: a model's name in the other package -> what builds it. Raises UnknownName if there is none, and
            ResablateError if the package is not installed.
    """

    networks: str
    recognizes: Callable[[nn.Module], bool]
    adapt: Callable[[nn.Module], ResidualNetwork]
    builder: Callable[[str], PretrainedBuilder]
