"""Every path on its own."""

from itertools import product

import torch
from torch import Tensor

from resablate.model import ResidualNetwork, Route, path_gradients


def every_path(network: ResidualNetwork, images: Tensor, labels: Tensor) -> Tensor:
    """Gradients by length, (n+1, ...), by one backward pass of autograd for each of the 2^n paths."""
    blocks = len(network.chain)
    found = torch.zeros(blocks + 1, *images.shape, dtype=images.dtype)
    for routes in product((Route.GRADIENT_BY_SHORTCUT, Route.GRADIENT_BY_BRANCH), repeat=blocks):
        length = routes.count(Route.GRADIENT_BY_BRANCH)
        found[length] += path_gradients(network, images, labels, routes=list(routes))
    return found
