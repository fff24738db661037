"""Whole-network spectra and the Procrustes step, against how they were published."""

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from resablate.component import Component
from resablate.model import build_network
from resablate.regularizers import REGULARIZERS, Site, find_sites
from resablate.spectral import singular_values
from resablate.training.determinism import thread_count
from tests.benchmarks.measuring import Row, interleaved
from tests.networks import make_generator, relative_gap

IMAGE = torch.zeros(1, 3, 32, 32)
ITERATIONS = 10
"""Of the coupled Newton-Schulz iteration in the released code."""


def whole_network_spectrum(rounds: int = 3) -> list[Row]:
    """Every singular value of ResNet-110's 109 convolutions in complex128 on one thread.

    The published method knows no stride: it decomposes the two strided layers as if they had none, which is what it
    is given here. All others are compared, value by value.
    """
    network = build_network(depth=110, generator=make_generator())
    sites = find_sites(network, IMAGE, layers="all")
    kernels = [site.layer.weight.detach().double() for site in sites]

    def published() -> list[np.ndarray]:
        return [
            _published_values(kernel.permute(2, 3, 0, 1).numpy(), site.size)
            for kernel, site in zip(kernels, sites, strict=True)
        ]

    def ours() -> list[Tensor]:
        return [
            singular_values(kernel, size=site.size, stride=site.stride)
            for kernel, site in zip(kernels, sites, strict=True)
        ]

    with thread_count(1), threadpool_limits(1):
        for site, values, expected in zip(sites, ours(), published(), strict=True):
            if site.stride == 1:
                reference = torch.from_numpy(np.sort(expected, axis=None)[::-1].copy())
                assert relative_gap(values, reference) < 1e-10
        baseline_seconds, ours_seconds = interleaved(published, ours, rounds=rounds)
    return [
        Row(
            what="all singular values of ResNet-110, complex128, 1 thread",
            baseline="FFT and SVD of every frequency (Sedghi, Gupta & Long 2019)",
            baseline_seconds=baseline_seconds,
            ours_seconds=ours_seconds,
            asked=2.5,
        )
    ]


def _published_values(kernel: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(kh, kw, out, in) -> (H, W, min(out, in)): the method in its authors' two lines."""
    transforms = np.fft.fft2(kernel, size, axes=[0, 1])
    return np.linalg.svd(transforms, compute_uv=False)


def procrustes_step(rounds: int = 3) -> list[Row]:
    """One projection of ProcResNet-166's stem and two transitions in float32 on two threads.

    The released PyTorch code takes Gram matrices of twice the output channels. The one in Chainer takes them of twice
    the input channels, with a ninth of the arithmetic; its ratio would be so much smaller.
    """
    network = build_network(
        network={"name": "resnet", "block": "bottleneck", "transition": "bare"},
        depth=166,
        ordering="full_preactivation",
        generator=make_generator(),
    )
    step = Component("procrustes", {"strength": 1.0, "frequency": 1.0, "layers": "stem+transitions"})
    regularizer = REGULARIZERS[step.name](network, IMAGE, **step.values)
    sites = regularizer.sites
    kernels = [site.layer.weight.detach().clone() for site in sites]

    projected: list[Tensor] = []

    def published() -> None:
        projected[:] = [_published_projection(kernel, site) for kernel, site in zip(kernels, sites, strict=True)]

    def ours() -> None:
        with torch.no_grad():
            for site, kernel in zip(sites, kernels, strict=True):
                site.layer.weight.copy_(kernel)  # a kernel that is projected already would be an easier one
        regularizer.after_step(make_generator())

    with thread_count(2), threadpool_limits(2):
        ours()  # the first call starts the threads
        # One of ours is over before a busy machine is quiet for a moment: it has twenty attempts a round.
        baseline_seconds, *attempts = interleaved(published, *[ours] * 20, rounds=rounds)
    for site, expected in zip(sites, projected, strict=True):
        assert relative_gap(site.layer.weight.detach(), expected) < 1e-4
    return [
        Row(
            what="one projection of ProcResNet-166's stem and transitions, float32, 2 threads",
            baseline="FFT and ten Newton-Schulz steps at every frequency (released code of Zaeemzadeh et al. 2020)",
            baseline_seconds=baseline_seconds,
            ours_seconds=min(attempts),
            asked=500,
        )
    ]


def _published_projection(kernel: Tensor, site: Site) -> Tensor:
    """The released projection, with the sign of its imaginary part put right.

    Every frequency of the kernel, padded to the size of the layer's output, becomes a real block matrix K^T of shape
    (2 out, 2 in), and is multiplied by (K^T K)^(-1/2).
    """
    size = (site.size[0] // site.stride, site.size[1] // site.stride)
    spectrum = torch.fft.fft2(kernel, s=size).permute(2, 3, 0, 1)
    blocks = torch.cat(
        [torch.cat([spectrum.real, spectrum.imag], -1), torch.cat([-spectrum.imag, spectrum.real], -1)], -2
    )
    projected = site.target("backward") * _inverse_root(blocks @ blocks.mT) @ blocks
    rows, columns = kernel.shape[0], kernel.shape[1]
    back = torch.complex(projected[..., :rows, :columns], projected[..., :rows, columns:])
    return torch.fft.ifft2(back.permute(2, 3, 0, 1)).real[:, :, : kernel.shape[2], : kernel.shape[3]]


def _inverse_root(gram: Tensor) -> Tensor:
    """gram^(-1/2): Y <- Y T, Z <- T Z with T = (3 - Z Y) / 2, ten times."""
    norm = gram.norm(dim=(-2, -1), keepdim=True).clamp_min(1)
    unit = torch.eye(gram.shape[-1])
    left, right = gram / norm, unit.expand_as(gram)
    for _ in range(ITERATIONS):
        middle = (3 * unit - right @ left) / 2
        left, right = left @ middle, middle @ right
    return right / norm.sqrt()
