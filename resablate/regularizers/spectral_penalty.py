"""A penalty on the singular values of the operators themselves."""

from typing import Annotated, ClassVar, final

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from resablate.component import PER_MEMBER
from resablate.model import ResidualNetwork
from resablate.regularizers.interface import Regularizer
from resablate.regularizers.sites import SV_LAYERS, SV_TARGETS, find_sites
from resablate.spectral import half_symbol


@final
class SpectralPenalty(Regularizer):
    """strength * sum over convolutions and their singular values of (value - target)^2.

    The singular values are those of the convolution as an operator on circular images, stride included. Convolutions
    that have no symbol (`Site.has_symbol`) are left alone.

    Args:
        network: what is trained.
        images: (B, C, H, W) as it trains on them; one is enough.
        strength: the factor; its default is this package's choice, for no paper trains with this penalty.
        layers: a row of SV_LAYERS: which convolutions.
        target: the singular value that all are drawn to: a row of SV_TARGETS, or the number itself.

    Raises:
        UnknownName: for a name that is in no table.
        AnalysisError: for a convolution that `find_sites` refuses.
    """

    packs = True
    recordable: ClassVar[bool] = False  # svdvals looks at whether it has converged

    def __init__(
        self,
        network: ResidualNetwork,
        images: Tensor,
        *,
        strength: Annotated[float, Ge(0), PER_MEMBER] = 1e-3,
        layers: Annotated[str, SV_LAYERS] = "all",
        target: Annotated[str | Annotated[float, Gt(0)], SV_TARGETS] = "backward",
    ) -> None:
        super().__init__([site for site in find_sites(network, images, layers=layers) if site.has_symbol])
        self._strength = strength
        self._targets = [site.target(target) for site in self.sites]

    def penalty(self) -> Tensor | None:
        """The penalty, or None where there is no convolution."""
        gaps: list[Tensor] = []
        for site, target in zip(self.sites, self._targets, strict=True):
            matrices, weights = half_symbol(site.layer.weight, size=site.size, stride=site.stride)
            # LAPACK refuses numbers that are not finite; where the weights are not, the loss shows it.
            values = torch.linalg.svdvals(matrices.where(matrices.isfinite(), 0))
            gaps.append(((values - target).square().sum(-1) * weights).sum())
        return self._strength * torch.stack(gaps).sum() if gaps else None

    def after_step(self, generator: torch.Generator) -> None:
        """Nothing: the gradient does it."""
