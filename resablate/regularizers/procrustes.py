"""The Procrustes step: convolutions moved towards the nearest operator with equal singular values."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from resablate.registry import Registry
from resablate.regularizers.interface import Regularizer
from resablate.regularizers.sites import Site
from resablate.spectral import polar_kernel

SV_STEMS: Registry[str] = Registry(
    "sv_stem",
    "sv_stems",
    {
        "corrected": "the first convolution is projected through its operator's spectrum",
        "published": "as by the released code, which conjugates that spectrum: the kernel shrinks to one tap",
        "off": "the first convolution is left alone",
    },
)


@final
class Procrustes(Regularizer):
    """After an optimizer step, with probability `sv_frequency`: W <- (1 - s) W + s * target * polar(W).

    s is sv_strength; polar(W) is the nearest operator whose singular values are all 1. A 1x1 convolution is moved
    exactly; a larger one is projected through its spectrum and cropped to its size, wrapped around where its image is
    smaller. One draw decides for all.

    Args:
        sites: the convolutions; those that have no symbol (`Site.has_symbol`) are left alone.
        sv_strength: s in [0, 1]; 1 is the paper's.
        sv_target: as `Site.target` takes it; `backward` is the paper's.
        sv_frequency: probability of a step; the paper's code has 0.5.
        sv_stem: a row of SV_STEMS.

    Raises:
        ValueError: if sv_strength is above 1.

    Source: Zaeemzadeh et al. 2020 and its released code.
    """

    def __init__(
        self,
        sites: Sequence[Site],
        *,
        sv_strength: float,
        sv_target: str | float = "backward",
        sv_frequency: float = 0.5,
        sv_stem: str = "corrected",
    ) -> None:
        if sv_strength > 1:
            raise ValueError(f"procrustes moves by a part of the way: sv_strength <= 1 must hold, got {sv_strength}")
        kept = [site for site in sites if site.has_symbol and (sv_stem != "off" or not site.is_stem)]
        super().__init__(kept, sv_strength=sv_strength)
        self._targets = [site.target(sv_target) for site in kept]
        self._frequency = sv_frequency
        self._conjugate_stem = sv_stem == "published"

    def penalty(self) -> Tensor | None:
        """Nothing: the step does it."""
        return None

    def after_step(self, generator: torch.Generator) -> None:
        """One projection of every convolution, or none, as `generator` decides."""
        if float(torch.rand((), generator=generator)) >= self._frequency:
            return
        with torch.no_grad():
            for site, target in zip(self.sites, self._targets, strict=True):
                weight = site.layer.weight
                nearest = polar_kernel(
                    weight,
                    size=site.size,
                    stride=site.stride,
                    conjugate=self._conjugate_stem and site.is_stem,
                )
                weight.lerp_(target * nearest, self.sv_strength)
