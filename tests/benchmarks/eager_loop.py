"""The loop that a careful person writes for a GPU: bfloat16, channels_last, all data on the device, nothing read in an
epoch; its steps run kernel by kernel, or the network as a whole is compiled."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from resablate.datasets import Examples
from resablate.model import ResidualNetwork


class EagerLoop:
    """A network and an epoch over it: SGD with momentum and decay, images mirrored at random.

    Args:
        network: trained in place, on its device.
        examples: whole batches of them are taken.
        batch_size: of every step.
        mode: of `torch.compile`; not compiled where None.
    """

    def __init__(
        self, network: ResidualNetwork, examples: Examples, *, batch_size: int, mode: str | None = None
    ) -> None:
        self._network = network.to(memory_format=torch.channels_last)
        self._forward = torch.compile(network, mode=mode, dynamic=False) if mode else network
        self._examples = examples
        self._batch_size = batch_size
        self.optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)

    def run_epoch(self) -> float:
        """The mean loss."""
        self._network.train()
        device = self._examples.device
        order = torch.randperm(len(self._examples), device=device)
        losses = torch.zeros((), device=device)
        steps = len(order) // self._batch_size
        for chosen in order[: steps * self._batch_size].split(self._batch_size):
            losses += self._step(*self._examples.gather(chosen))
        return float(losses) / steps

    def _step(self, images: Tensor, labels: Tensor) -> Tensor:
        mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
        images = torch.where(mirrored, images.flip(-1), images).contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            loss = functional.cross_entropy(self._forward(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()
