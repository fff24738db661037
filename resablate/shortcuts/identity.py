"""The identity shortcut: x passes unchanged."""

from torch import Tensor

from resablate.shortcuts.interface import Addends, Shortcut


class Identity(Shortcut):
    """carried = x, added = F(x).

    Source: He et al. 2016, Figure 2(a), equation 4.
    """

    packs = True

    def forward(self, x: Tensor, residual: Tensor) -> Addends:
        """The two addends."""
        return Addends(carried=self.match(x), added=residual)

    def bypass(self, x: Tensor) -> Tensor:
        """X itself."""
        return self.match(x)
