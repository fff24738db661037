"""A penalty that draws the reshaped kernels towards equal singular values."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from resablate.regularizers.interface import Regularizer
from resablate.regularizers.sites import Site


@final
class OrthogonalPenalty(Regularizer):
    """sv_strength * sum over convolutions of ||G - target^2 I||_F^2.

    G is the Gram matrix of the kernel W reshaped to (out, in * kh * kw), on its shorter side. All singular values of
    the reshaped kernel are the target exactly where the penalty is 0; they bound, but are not, those of the operator.

    Args:
        sites: the convolutions.
        sv_strength: the factor.
        sv_target: as `Site.target` takes it.

    Source: the soft orthogonality of Bansal, Chen & Wang, arXiv 1810.09102, section 3.1.
    """

    def __init__(self, sites: Sequence[Site], *, sv_strength: float, sv_target: str | float = "backward") -> None:
        super().__init__(sites, sv_strength=sv_strength)
        self._targets = [site.target(sv_target) for site in sites]

    def penalty(self) -> Tensor | None:
        """The penalty, or None where there is no convolution."""
        gaps: list[Tensor] = []
        for site, target in zip(self.sites, self._targets, strict=True):
            matrix = site.layer.weight.flatten(1)
            gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
            gaps.append((gram - target**2 * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)).square().sum())
        return self.sv_strength * torch.stack(gaps).sum() if gaps else None

    def after_step(self, generator: torch.Generator) -> None:
        """Nothing: the gradient does it."""
