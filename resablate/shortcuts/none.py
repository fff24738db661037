"""No shortcut: a plain network, the control of every residual claim."""

import torch
from torch import Tensor

from resablate.shortcuts.interface import Addends, Shortcut


class NoShortcut(Shortcut):
    """carried = 0, added = F(x).

    To remove a block from a plain network is to connect its neighbors, as Veit et al. do with VGG: the bypass is x
    itself (matched where dimensions change), not the carried zero.

    Source: He et al. 2016, Table 1, shortcut 0; Veit et al. 2016, section 4.1 for the removal.
    """

    projects = False  # nothing would train it
    packs = True

    @property
    def carries(self) -> bool:
        """Nothing passes by the carried side."""
        return False

    def forward(self, x: Tensor, residual: Tensor) -> Addends:
        """The two addends, the carried one zero."""
        return Addends(carried=torch.zeros_like(residual), added=residual)

    def bypass(self, x: Tensor) -> Tensor:
        """X itself: the neighbors are connected."""
        return self.match(x)
