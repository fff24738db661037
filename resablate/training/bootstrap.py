"""How far a number taken from a sample of examples can be trusted."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import functional

from resablate.datasets import ExampleSource
from resablate.model import ResidualNetwork, evaluation_mode
from resablate.training.evaluation import LESION_BATCH

REPLICATES = 200
"""Bootstrap resamples: a standard error's own relative error is about 1 / sqrt(2 * 200) = 5 %."""

_SEED = 0


class ResampledScores:
    """Running errors and losses of several variants of a network, over the examples and over resamples of them.

    A Poisson bootstrap: in each resample every example counts as often as a draw from Poisson(1) says, which needs
    neither the examples twice nor their number beforehand. All variants are weighed alike, so that the standard error
    of a difference between two of them is that of paired samples. The weights are the same whenever the same examples
    are counted in the same batches, so that all analyses give one number one standard error. Memory does not grow
    with the examples.

    Args:
        count: how many variants.

    Source: Efron & Tibshirani 1993, chapter 6; Chamandy et al. 2012 for Poisson weights over a stream.
    """

    def __init__(self, count: int) -> None:
        self._generator = torch.Generator().manual_seed(_SEED)
        self._examples = 0
        self._weights = torch.empty(0)
        self._weight = torch.zeros(1 + REPLICATES, dtype=torch.float64)
        self._wrong = torch.zeros(count, 1 + REPLICATES, dtype=torch.float64)
        self._loss = torch.zeros_like(self._wrong)

    def start(self, labels: Tensor) -> None:
        """Draw the weights of the next batch, whose `labels` are (B,); every variant is then added once."""
        drawn = torch.ones(len(labels), REPLICATES)
        drawn = torch.poisson(drawn, generator=self._generator).to(labels.device, torch.float64)
        # The first column counts every example once: it holds the plain sums.
        self._weights = torch.cat([torch.ones_like(drawn[:, :1]), drawn], dim=1)
        if self._weight.device != labels.device:
            self._weight, self._wrong, self._loss = (
                sums.to(labels.device) for sums in (self._weight, self._wrong, self._loss)
            )
        self._weight += self._weights.sum(dim=0)
        self._examples += len(labels)

    def add(self, variants: Iterable[int], logits: Tensor, labels: Tensor) -> None:
        """Count the batch for variants that all gave `logits` (B, classes) for `labels` (B,)."""
        wrong = (logits.argmax(dim=1) != labels).double() @ self._weights
        loss = functional.cross_entropy(logits.double(), labels, reduction="none") @ self._weights
        for variant in variants:
            self._wrong[variant] += wrong
            self._loss[variant] += loss

    def errors(self) -> Tensor:
        """Fraction of wrongly classified examples, (variants, 1 + resamples); column 0 is that of the sample."""
        return self._means(self._wrong)

    def losses(self) -> Tensor:
        """Mean cross-entropy in nats, (variants, 1 + resamples); column 0 is that of the sample."""
        return self._means(self._loss)

    def _means(self, sums: Tensor) -> Tensor:
        held = self._weight > 0  # of one or two examples a resample may hold none
        means = (sums[:, held] / self._weight[held]).cpu()
        if self._examples < 2:  # noqa: PLR2004 - a deviation needs two: resamples of one example all are that one
            means[:, 1:] = math.nan
        return means


def score_variants(
    network: ResidualNetwork,
    examples: ExampleSource,
    run: Callable[[Tensor], Iterable[tuple[Iterable[int], Tensor]]],
    *,
    count: int,
) -> ResampledScores:
    """Error and loss of `count` variants of `network` on `examples`, in eval mode.

    Args:
        network: in whatever mode.
        examples: evaluated in batches.
        run: images (B, C, H, W) -> logits (B, classes) of every variant: which variants they are of, and they.
        count: of variants.
    """
    scores = ResampledScores(count)
    with evaluation_mode(network), torch.inference_mode():
        for images, labels in examples.batches(LESION_BATCH):
            scores.start(labels)
            for variants, logits in run(images):
                scores.add(variants, logits, labels)
    return scores


def standard_error(numbers: Tensor) -> Tensor:
    """The bootstrap standard error (...) of `numbers` (..., 1 + resamples), whose column 0 is left out."""
    return numbers[..., 1:].std(dim=-1)
