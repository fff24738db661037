"""Images with a rectangle out of another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, final

import torch
from annotated_types import Gt, Interval
from torch import Tensor

from resablate.augmentations.boxes import inside
from resablate.augmentations.mixing import Mixed, Mixing, draw_partners, draw_shares


@final
@dataclass(frozen=True, kw_only=True)
class CutMix(Mixing):
    """Every image of a batch with one rectangle from another, the same for the whole batch.

    Args:
        alpha: the share of an image is drawn from Beta(alpha, alpha), before what sticks out of the image is cut off.
        probability: chance that a batch is mixed: 0.5 in the paper on CIFAR, 1 on ImageNet.

    Source: Yun et al., arXiv 1905.04899, and released code.
    """

    alpha: Annotated[float, Gt(0)] = 1.0
    probability: Annotated[float, Interval(gt=0, le=1)] = 0.5

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """The share of every image, its partner, and the rectangle's middle as parts of the image's sides."""
        shares = draw_shares(count, generator, alpha=self.alpha)
        partners = draw_partners(count, generator)
        mixed = torch.rand((), generator=generator) < self.probability
        middle = torch.rand(2, generator=generator).expand(count, 2)
        return torch.where(mixed, shares, 1.0), partners, middle

    def apply(self, images: Tensor, draws: Sequence[Tensor]) -> Mixed:
        """The images with their rectangles."""
        shares, partners, middles = draws
        edges: list[tuple[Tensor, Tensor]] = []
        for axis in (0, 1):
            size = images.shape[2 + axis]
            half = ((1 - shares[:1]).sqrt() * size).floor().div(2).floor()
            middle = (middles[:1, axis] * size).floor()
            edges.append(((middle - half).clamp(0, size), (middle + half).clamp(0, size)))
        (top, bottom), (left, right) = edges
        box = inside(top, left, bottom, right, images)
        share = 1 - ((bottom - top) * (right - left))[0] / (images.shape[-2] * images.shape[-1])
        return Mixed(torch.where(box, images.index_select(0, partners), images), partners, share.to(images.dtype))
