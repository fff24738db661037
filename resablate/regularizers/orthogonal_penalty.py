"""A penalty that draws the reshaped kernels towards equal singular values."""

from typing import Annotated, final

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from resablate.component import PER_MEMBER
from resablate.model import ResidualNetwork
from resablate.regularizers.interface import Regularizer
from resablate.regularizers.sites import SV_LAYERS, SV_TARGETS, find_sites


@final
class OrthogonalPenalty(Regularizer):
    """strength * sum over convolutions of ||G - target^2 I||_F^2.

    G is the Gram matrix of the kernel W reshaped to (out, in * kh * kw), on its shorter side. All singular values of
    the reshaped kernel are the target exactly where the penalty is 0; they bound, but are not, those of the operator.

    Args:
        network: what is trained.
        images: (B, C, H, W) as it trains on them; one is enough.
        strength: the factor; its default is this package's choice: the paper changes it in the course of a training.
        layers: a row of SV_LAYERS: which convolutions.
        target: the singular value that all are drawn to: a row of SV_TARGETS, or the number itself.

    Raises:
        UnknownName: for a name that is in no table.
        AnalysisError: for a convolution that `find_sites` refuses.

    Source: the soft orthogonality of Bansal, Chen & Wang, arXiv 1810.09102, section 3.1.
    """

    packs = True

    def __init__(
        self,
        network: ResidualNetwork,
        images: Tensor,
        *,
        strength: Annotated[float, Ge(0), PER_MEMBER] = 1e-2,
        layers: Annotated[str, SV_LAYERS] = "all",
        target: Annotated[str | Annotated[float, Gt(0)], SV_TARGETS] = "backward",
    ) -> None:
        super().__init__(find_sites(network, images, layers=layers))
        self._strength = strength
        self._targets = [site.target(target) for site in self.sites]

    def penalty(self) -> Tensor | None:
        """The penalty, or None where there is no convolution."""
        gaps: list[Tensor] = []
        for site, target in zip(self.sites, self._targets, strict=True):
            matrix = site.layer.weight.flatten(1)
            gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
            gaps.append((gram - target**2 * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)).square().sum())
        return self._strength * torch.stack(gaps).sum() if gaps else None

    def after_step(self, generator: torch.Generator) -> None:
        """Nothing: the gradient does it."""
