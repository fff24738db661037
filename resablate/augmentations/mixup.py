"""Images as weighted sums of two."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, final

import torch
from annotated_types import Gt
from torch import Tensor

from resablate.augmentations.mixing import Mixed, Mixing, draw_partners, draw_shares


@final
@dataclass(frozen=True, kw_only=True)
class Mixup(Mixing):
    """Every image of a batch and another one of it, by weights that are the same for the whole batch.

    Args:
        alpha: the share of an image is drawn from Beta(alpha, alpha); 1 is uniform, less is nearer to one of both.

    Source: Zhang et al., arXiv 1710.09412, and released code (alpha 1 on CIFAR, 0.2 on ImageNet).
    """

    alpha: Annotated[float, Gt(0)] = 1.0

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        """The share of every image, and its partner."""
        return draw_shares(count, generator, alpha=self.alpha), draw_partners(count, generator)

    def apply(self, images: Tensor, draws: Sequence[Tensor]) -> Mixed:
        """The weighted sums."""
        shares, partners = draws
        share = shares[0].to(images.dtype)
        return Mixed(share * images + (1 - share) * images.index_select(0, partners), partners, share)
