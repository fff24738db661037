"""What an analysis is: a function from a network and examples to data."""

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import nn

from resablate.datasets import ExampleSource
from resablate.errors import AnalysisError
from resablate.measurement import AnalysisResult
from resablate.model import ResidualNetwork, evaluation_mode

QUARTILES = {"lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75}


class AnalysisFunction(Protocol):
    """A question put to a trained network; knobs are further keywords.

    It leaves the network as found (parameters, buffers, modes), also when it fails, and draws from `generator` alone.
    """

    def __call__(
        self, network: ResidualNetwork, examples: ExampleSource, *, generator: torch.Generator
    ) -> AnalysisResult:
        """The numbers."""
        ...


@dataclass(frozen=True)
class Analysis:
    """A row of the table."""

    run: AnalysisFunction
    examples: Literal["train", "test"]
    """Which examples the paper put to the network; without augmentation."""
    source: str
    during_training: bool = False
    """Whether it also has a meaning during training, and runs at `analysis_epochs` too."""


def at_least_one(**numbers: int | None) -> None:
    """Look whether these arguments, by name, are positive; None stands for all there are.

    Raises:
        ValueError: if one is less than 1.
    """
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise ValueError(f"{name} must be at least 1, but got {number}")


def check_dissectable(network: nn.Module, examples: ExampleSource) -> None:
    """Look whether there is something to dissect, and whether the labels are the network's.

    Args:
        network: in whatever mode; one image is put through it, which tells its classes.
        examples: what the analysis is about to use.

    Raises:
        AnalysisError: if the network is not one of blocks, has none, or a label is none of its classes.
    """
    if not isinstance(network, ResidualNetwork):
        raise AnalysisError(
            f"a network must be a ResidualNetwork to be dissected, but this one is a {type(network).__name__}:"
            " adapt(network) makes one of a ResNet of torchvision or timm"
        )
    if not network.chain:
        raise AnalysisError("a network must have at least one block to be dissected, but this one has none")
    images, _ = next(examples.take(slice(1)).batches(1))
    with evaluation_mode(network), torch.inference_mode():
        classes = network(images).shape[1]
    outside = (examples.labels < 0) | (examples.labels >= classes)
    if outside.any():
        place = int(outside.int().argmax())
        raise AnalysisError(
            f"labels must be the network's classes, 0 to {classes - 1}, but {int(outside.sum())} of"
            f" {len(examples)} are not: example {place} (counted from 0) has label {int(examples.labels[place])}"
        )
