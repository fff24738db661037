"""What an analysis is: a function from a network and examples to data."""

from dataclasses import dataclass
from typing import Literal, Protocol

import torch

from resablate.datasets import ExampleSource
from resablate.measurement import AnalysisResult
from resablate.model import ResidualNetwork


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
    over_training: bool = False
    """Whether it also has a meaning during training, and runs at `analysis_epochs` too."""
