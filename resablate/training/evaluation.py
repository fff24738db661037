"""Error and loss of a network, leaving it as it was."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from resablate.datasets import ExampleSource
from resablate.model import evaluation_mode

EVALUATION_BATCH = 256
"""Examples per forward pass in evaluations. Fixed, because results depend on it in the last bit."""
LESION_BATCH = 128
"""Examples per forward pass where a network is run again and again with parts removed or moved. Fixed for the same
reason; smaller, because a block of 16 channels on 32x32 pixels takes up to three times as long per image with 256: what
enters and what leaves it no longer fit into a processor's last cache together (32 MiB where this was measured)."""


@dataclass(frozen=True)
class Evaluation:
    """Means over examples."""

    error: float
    """Fraction classified wrongly."""
    loss: float
    """Cross-entropy in nats."""


class Scores:
    """Running sums of error and loss, kept on the device until asked for."""

    def __init__(self) -> None:
        self._wrong: Tensor | int = 0
        self._loss: Tensor | float = 0.0
        self._count = 0

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Count one batch: logits (B, classes), labels (B,)."""
        self._wrong = self._wrong + (logits.argmax(dim=1) != labels).sum()
        self._loss = self._loss + functional.cross_entropy(logits.double(), labels, reduction="sum")
        self._count += len(labels)

    def mean(self) -> Evaluation:
        """The means over all examples counted."""
        return Evaluation(error=float(self._wrong) / self._count, loss=float(self._loss) / self._count)


def evaluate(network: nn.Module, examples: ExampleSource) -> Evaluation:
    """Error and loss of `network` on `examples`, in eval mode."""
    scores = Scores()
    with evaluation_mode(network), torch.inference_mode():
        for images, labels in examples.batches(EVALUATION_BATCH):
            scores.add(network(images), labels)
    return scores.mean()


def loss_of_a_batch(network: nn.Module, examples: ExampleSource) -> float:
    """The loss of `network` on the first of `examples`, in eval mode."""
    return evaluate(network, examples.take(slice(0, EVALUATION_BATCH))).loss
