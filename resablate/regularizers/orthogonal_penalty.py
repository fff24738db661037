"""A penalty that draws the rows of each kernel towards an orthonormal set."""

import torch
from torch import Tensor, nn

from resablate.regularizers.interface import Regularizer, convolutions


class OrthogonalPenalty(Regularizer):
    """sv_strength * sum over convolutions of ||G - I||_F^2.

    G is the Gram matrix of the kernel W reshaped to (out, in * kh * kw), on its shorter side. All singular values of
    the reshaped kernel are 1 exactly where the penalty is 0; they bound, but are not, those of the operator.

    Source: the soft orthogonality of Bansal, Chen & Wang, arXiv 1810.09102, section 3.1.
    """

    def penalty(self, network: nn.Module, *, sv_strength: float) -> Tensor:
        """The penalty, to be added to the loss."""
        total = torch.zeros(())
        for layer in convolutions(network):
            matrix = layer.weight.flatten(1)
            gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
            gap = gram - torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
            total = total.to(gap.device) + gap.square().sum()
        return sv_strength * total
