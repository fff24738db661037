"""A penalty on the singular values of the operators themselves."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from resablate.regularizers.interface import Regularizer
from resablate.regularizers.sites import Site
from resablate.spectral import half_symbol


@final
class SpectralPenalty(Regularizer):
    """sv_strength * sum over convolutions and their singular values of (value - target)^2.

    The singular values are those of the convolution as an operator on circular images, stride included.

    Args:
        sites: the convolutions; those that have no symbol (`Site.has_symbol`) are left alone.
        sv_strength: the factor.
        sv_target: as `Site.target` takes it.
    """

    def __init__(self, sites: Sequence[Site], *, sv_strength: float, sv_target: str | float = "backward") -> None:
        kept = [site for site in sites if site.has_symbol]
        super().__init__(kept, sv_strength=sv_strength)
        self._targets = [site.target(sv_target) for site in kept]

    def penalty(self) -> Tensor | None:
        """The penalty, or None where there is no convolution."""
        gaps: list[Tensor] = []
        for site, target in zip(self.sites, self._targets, strict=True):
            matrices, weights = half_symbol(site.layer.weight, size=site.size, stride=site.stride)
            # LAPACK refuses what is not finite; of weights that are not the loss tells.
            values = torch.linalg.svdvals(matrices.where(matrices.isfinite(), 0))
            gaps.append(((values - target).square().sum(-1) * weights).sum())
        return self.sv_strength * torch.stack(gaps).sum() if gaps else None

    def after_step(self, generator: torch.Generator) -> None:
        """Nothing: the gradient does it."""
