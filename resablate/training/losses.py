"""What a training minimizes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Protocol

from annotated_types import Interval
from torch import Tensor
from torch.nn import functional

from resablate.augmentations import Mixed
from resablate.model import ComponentLike
from resablate.registry import Registry, with_arguments


class Loss(Protocol):
    """A row: logits (N, classes) and labels (N,) -> losses (N,), or their mean; arguments are further keywords."""

    def __call__(self, logits: Tensor, labels: Tensor, *, reduction: str) -> Tensor:
        """The losses in nats: each for `none`, their mean for `mean`."""
        ...


def cross_entropy(
    logits: Tensor, labels: Tensor, *, reduction: str, label_smoothing: Annotated[float, Interval(ge=0, lt=1)] = 0.0
) -> Tensor:
    """Cross-entropy with the labels.

    Args:
        logits: (N, classes).
        labels: (N,).
        reduction: `none` or `mean`.
        label_smoothing: share of an example's label that is spread over all classes alike; evaluations spread none.

    Source: Szegedy et al., arXiv 1512.00567, section 7, for smoothing.
    """
    return functional.cross_entropy(logits, labels, reduction=reduction, label_smoothing=label_smoothing)


LOSSES: Registry[Loss] = Registry("loss", "losses", {"cross_entropy": cross_entropy}, given=("reduction",))


def mean_loss(loss: ComponentLike) -> Callable[[Tensor, Tensor], Tensor]:
    """Logits (B, classes) and labels (B,) -> their mean loss, ()."""
    return partial(with_arguments(LOSSES, loss), reduction="mean")


def mean_losses(loss: ComponentLike) -> Callable[[Tensor, Tensor], Tensor]:
    """Logits (B, K, classes) and labels (B, K) of K networks -> the mean loss of each, (K,)."""
    losses_of = partial(with_arguments(LOSSES, loss), reduction="none")

    def means(logits: Tensor, labels: Tensor) -> Tensor:
        return losses_of(logits.flatten(0, 1), labels.flatten()).view(labels.shape).mean(dim=0)

    return means


def mixed_loss(losses: Callable[[Tensor, Tensor], Tensor], logits: Tensor, labels: Tensor, mixed: Mixed) -> Tensor:
    """The loss of a batch of mixtures: of their own labels and of their partners', by the shares that they have.

    Args:
        losses: logits and labels -> a mean loss, ().
        logits: (B, classes).
        labels: (B,), of the images that were mixed.
        mixed: how.

    Source: Zhang et al., arXiv 1710.09412, released code.
    """
    return mixed.share * losses(logits, labels) + (1 - mixed.share) * losses(logits, labels[mixed.partners])
