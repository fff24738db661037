"""A training step on a CPU, against the loop that most code for CIFAR has.

    python -m tests.benchmarks.step

The loop is that of the widely used trainers of CIFAR ResNets: images are cropped and flipped one by one by torchvision,
loaded by worker processes, and loss and error are read in every step. Both train the same network.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from resablate.datasets import Examples
from resablate.model import ResidualNetwork, build_network
from resablate.training import Training, derived_generator, thread_count
from tests.benchmarks.measuring import Row, interleaved

BATCH, WORKERS = 128, 2
_MEAN, _STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class UsualLoop:
    """A network, its loader, and an epoch over it."""

    def __init__(self, network: nn.Module, images: Tensor, labels: Tensor) -> None:
        self._network = network
        self._loss = nn.CrossEntropyLoss()
        self._optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
        self._loader: DataLoader[tuple[Tensor, int]] = DataLoader(
            _OneByOne(images, labels), batch_size=BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True
        )

    def run_epoch(self) -> float:
        """The mean loss."""
        losses, wrong, seen = 0.0, 0, 0
        self._network.train()
        for images, labels in self._loader:
            output = self._network(images)
            loss = self._loss(output, labels)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            losses += loss.item() * len(labels)
            wrong += int((output.argmax(dim=1) != labels).sum().item())
            seen += len(labels)
        return losses / seen


class _OneByOne(Dataset[tuple[Tensor, int]]):
    """Images as torchvision's CIFAR10 gives them: pictures, transformed when they are asked for."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self._pixels = images.permute(0, 2, 3, 1).numpy()
        self._labels = labels.tolist()
        self._change = transforms.Compose(
            [
                transforms.ToPILImage(),
                transforms.RandomHorizontalFlip(),
                transforms.RandomCrop(32, 4),
                transforms.ToTensor(),
                transforms.Normalize(_MEAN, _STD),
            ]
        )

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._change(self._pixels[index]), self._labels[index]


def our_training(network: ResidualNetwork, images: Tensor, labels: Tensor, **changed: Any) -> Training:
    """The same training as the usual loop's; one image is held out, so that steps are what takes time."""
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (_MEAN, _STD))
    examples = Examples(images, labels, mean, std)
    fields: dict[str, Any] = {"schedule": "constant", "augmentation": "crop_flip", "learning_rate": 0.1, **changed}
    return Training(
        network, train=examples, val=examples.take(slice(1)), epochs=100, batch_size=BATCH, seed=0, **fields
    )


REGIMES: dict[str, tuple[dict[str, Any], float]] = {
    "as it is": ({}, 1.15),
    "memory_format: channels_last": ({"memory_format": "channels_last"}, 1.15),
}
"""What a sweep file says, and how many times faster than the usual loop it is to be. Convolutions take three quarters
of the step, the same in both loops: what is left to gain is the rest, and the order of numbers in memory."""


def rows(*, depth: int = 20, steps: int = 10, rounds: int = 3) -> Iterator[Row]:
    """Epochs of `steps` whole batches of images of noise, on which times do not depend."""
    generator = derived_generator(0, "images")
    images = torch.randint(256, (steps * BATCH, 3, 32, 32), generator=generator, dtype=torch.uint8)
    labels = torch.randint(10, (steps * BATCH,), generator=generator)

    def network() -> ResidualNetwork:
        return build_network(depth=depth, generator=derived_generator(0, "weights"))

    usual = UsualLoop(network(), images, labels)
    ours = [our_training(network(), images, labels, **fields) for fields, _ in REGIMES.values()]
    # Workers are started, and memory is touched, before anything is timed.
    losses = [usual.run_epoch(), *(training.run_epoch().train_loss for training in ours)]
    if not all(1 < loss < 4 for loss in losses):
        raise RuntimeError(f"all must train from the loss of a guess, ln 10, on; got {losses}")
    seconds = interleaved(usual.run_epoch, *(training.run_epoch for training in ours), rounds=rounds)
    for (name, (_, asked)), spent in zip(REGIMES.items(), seconds[1:], strict=True):
        yield Row(
            f"training step of ResNet-{depth}, batch {BATCH}, {torch.get_num_threads()} threads, {name}",
            f"torchvision transforms, DataLoader of {WORKERS} workers, .item() in every step",
            seconds[0] / steps,
            spent / steps,
            asked,
        )


if __name__ == "__main__":
    with thread_count(2):
        for row in rows():
            print(row, f"{row.ratio:.2f}", flush=True)
