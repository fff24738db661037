"""No regularizer."""

from torch import Tensor, nn

from resablate.regularizers.interface import Regularizer


class NoRegularizer(Regularizer):
    """Leaves the singular values alone: bit for bit the training without any of this."""

    def penalty(self, network: nn.Module, *, sv_strength: float) -> Tensor | None:
        """Nothing."""
        return None
