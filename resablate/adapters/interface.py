"""What an adapter is: where networks of another package come from, and how they are taken apart."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from resablate.model.network import ResidualNetwork


def as_written(network: nn.Module, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """`state`: the package keeps in memory the names that it writes."""
    return state


class Builder(Protocol):
    """Builds one network of another package with random weights."""

    def __call__(self, *, num_classes: int) -> nn.Module:
        """The network."""
        ...


def recognizes_none(network: nn.Module) -> bool:
    """No network: those of the package are taken apart where they add, as any network is."""
    return False


@dataclass(frozen=True)
class Adapter:
    """A row of the table.

    Args:
        networks: what it builds or adapts, for people: "networks of torchvision: ResNets, RegNets, ViTs, ...".
        builder: a model's name in the other package -> what builds it. Raises UnknownName if there is none, and
            ResablateError if the package is not installed. A network that takes images of none of the common sizes has
            an attribute `input_size`, (C, H, W).
        recognizes: whether it takes a network apart itself. It does not import the other package.
        adapt: such a network in eval mode -> the same as a chain of blocks that shares its parameters. It is proved by
            whoever calls. Raises ResablateError, which names the module, where it does not fit.
        own_names: such a network, and weights as the package writes them -> those by the network's own names. Weights
            that do not fit are given back as far as they do, and are refused by whoever calls. Raises CheckpointError
            where the package takes none of them.
    """

    networks: str
    builder: Callable[[str], Builder]
    recognizes: Callable[[nn.Module], bool] = recognizes_none
    adapt: Callable[[nn.Module], ResidualNetwork] | None = None
    own_names: Callable[[nn.Module, Mapping[str, Tensor]], Mapping[str, Tensor]] = as_written
