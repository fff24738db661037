"""The Procrustes step: convolutions moved towards the nearest operator with equal singular values."""

from typing import Annotated, final

import torch
from annotated_types import Gt, Interval
from torch import Tensor

from resablate.component import PER_MEMBER
from resablate.model import ResidualNetwork
from resablate.registry import Registry
from resablate.regularizers.interface import Regularizer
from resablate.regularizers.sites import SV_LAYERS, SV_TARGETS, find_sites
from resablate.spectral import polar_kernel

SV_STEMS: Registry[str] = Registry(
    "regularizer_stem",
    "regularizer_stems",
    {
        "corrected": "the first convolution is projected through its operator's spectrum",
        "published": "as by the released code, which conjugates that spectrum: the kernel shrinks to one tap",
        "off": "the first convolution is left alone",
    },
)


@final
class Procrustes(Regularizer):
    """After an optimizer step, with probability `frequency`: W <- (1 - s) W + s * target * polar(W).

    s is the strength; polar(W) is the nearest operator whose singular values are all 1. A 1x1 convolution is moved
    exactly; a larger one is projected through its spectrum and cropped to its size, wrapped around where its image is
    smaller. Convolutions that have no symbol (`Site.has_symbol`) are left alone. One draw decides for all.

    Args:
        network: what is trained.
        images: (B, C, H, W) as it trains on them; one is enough.
        strength: s; 1, the whole way, is the paper's.
        layers: a row of SV_LAYERS: which convolutions.
        target: the singular value that all are drawn to: a row of SV_TARGETS, of which `backward` is the paper's, or
            the number itself.
        frequency: probability of a step; the paper's code has 0.5.
        stem: a row of SV_STEMS.

    Raises:
        UnknownName: for a name that is in no table.
        ValueError: if `strength` is not in [0, 1].
        AnalysisError: for a convolution that `find_sites` refuses.

    Source: Zaeemzadeh et al. 2020 and its released code.
    """

    packs = True

    def __init__(
        self,
        network: ResidualNetwork,
        images: Tensor,
        *,
        strength: Annotated[float, Interval(ge=0, le=1), PER_MEMBER] = 1.0,
        layers: Annotated[str, SV_LAYERS] = "all",
        target: Annotated[str | Annotated[float, Gt(0)], SV_TARGETS] = "backward",
        frequency: Annotated[float, Interval(ge=0, le=1)] = 0.5,
        stem: Annotated[str, SV_STEMS] = "corrected",
    ) -> None:
        if not 0 <= strength <= 1:
            raise ValueError(
                f"procrustes moves by a part of the way: 0 <= strength <= 1 must hold, but got strength={strength}"
            )
        SV_STEMS[stem]
        found = find_sites(network, images, layers=layers)
        super().__init__([site for site in found if site.has_symbol and (stem != "off" or not site.is_stem)])
        self._strength = strength
        self._targets = [site.target(target) for site in self.sites]
        self._frequency = frequency
        self._conjugate_stem = stem == "published"

    def penalty(self) -> Tensor | None:
        """Nothing: the step does it."""
        return None

    def after_step(self, generator: torch.Generator) -> None:
        """One projection of every convolution, or none, as `generator` decides."""
        if float(torch.rand((), generator=generator)) < self._frequency:
            self.project()

    def project(self) -> None:
        """One projection of every convolution; none where the frequency is 0, so that no training has one."""
        if not self._frequency:
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
                weight.lerp_(target * nearest, self._strength)
