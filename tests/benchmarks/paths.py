"""Gradients of all paths by length against one sampled path of each length, as published, on the CPU.

Images are noise in the shape of CIFAR and weights are untrained: neither changes times. With L blocks the walk goes
back through L (L + 1) / 2 branches, and so do the sampled paths together; those go forward through L (L + 1) more:
three times the multiply-adds. What the walk gains beyond that is in how many vectors go through a convolution at once.
"""

import torch

from resablate.model import Route, gradients_by_length, path_gradients
from tests.benchmarks.measuring import Row, spent_in_turn
from tests.networks import make_generator, make_images, make_network, relative_gap


def rows() -> list[Row]:
    """Every comparison of this file."""
    return [walk(depth=110, batch=8, asked=5.0), walk(depth=56, batch=16, asked=4.0)]


def walk(*, depth: int, batch: int, asked: float) -> Row:
    """The exact walk over all lengths; each sampled path has a forward pass of its own (Veit et al. 2016)."""
    network = make_network(depth=depth, in_channels=3, width=16, num_classes=10, dtype=torch.float32)
    images, labels = make_images(batch, channels=3, size=(32, 32), classes=10, dtype=torch.float32)
    draw = make_generator()
    blocks = len(network.chain)

    def one_path(length: int) -> torch.Tensor:
        chosen = set(torch.randperm(blocks, generator=draw)[:length].tolist())
        sides = (Route.GRADIENT_BY_SHORTCUT, Route.GRADIENT_BY_BRANCH)
        return path_gradients(network, images, labels, routes=[sides[place in chosen] for place in range(blocks)])

    def sampled() -> list[torch.Tensor]:
        return [one_path(length) for length in range(blocks + 1)]

    exact = gradients_by_length(network, images, labels)
    whole = path_gradients(network, images, labels, routes=None)
    # Layouts round differently, and single precision moves a few masks of ReLUs.
    assert relative_gap(exact.sum(dim=0), whole) < 0.1
    spent = spent_in_turn(sampled, lambda: gradients_by_length(network, images, labels), rounds=9)
    return Row.of(
        f"gradients of all 2^{blocks} paths by length, ResNet-{depth}, batch {batch}",
        "one sampled path of each length, each with its forward pass: three times the multiply-adds",
        spent,
        asked=asked,
    )
