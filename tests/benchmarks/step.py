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
from resablate.model import build_network
from resablate.training import Training, derived_generator, thread_count
from tests.benchmarks.measuring import Row, interleaved

BATCH, STEPS = 128, 20
WORKERS = 2
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


def our_training(network: Any, images: Tensor, labels: Tensor, **changed: Any) -> Training:
    """The same training as the usual loop's; one image is held out, so that steps are what takes time."""
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (_MEAN, _STD))
    examples = Examples(images, labels, mean, std)
    fields: dict[str, Any] = {"schedule": "constant", "augmentation": "crop_flip", "learning_rate": 0.1, **changed}
    return Training(
        network, train=examples, val=examples.take(slice(1)), epochs=100, batch_size=BATCH, seed=0, **fields
    )


def rows(*, depth: int = 20, steps: int = STEPS, rounds: int = 3) -> Iterator[Row]:
    """Epochs of `steps` whole batches of images of noise, on which times do not depend."""
    generator = derived_generator(0, "images")
    images = torch.randint(256, (steps * BATCH, 3, 32, 32), generator=generator, dtype=torch.uint8)
    labels = torch.randint(10, (steps * BATCH,), generator=generator)
    ours, theirs = (build_network(depth=depth, generator=derived_generator(0, "weights")) for _ in range(2))
    training, usual = our_training(ours, images, labels), UsualLoop(theirs, images, labels)
    # Workers are started, and memory is touched, before anything is timed.
    losses = usual.run_epoch(), training.run_epoch().train_loss
    if not all(1 < loss < 4 for loss in losses):  # noqa: PLR2004 - of ten classes: ln 10 = 2.3
        raise RuntimeError(f"both must train from the loss of a guess, ln 10, on; got {losses}")
    seconds = interleaved(usual.run_epoch, training.run_epoch, rounds=rounds)
    yield Row(
        f"training step of ResNet-{depth}, batch {BATCH}, {torch.get_num_threads()} threads",
        f"torchvision transforms, DataLoader of {WORKERS} workers, .item() in every step",
        seconds[0] / steps,
        seconds[1] / steps,
        asked=1.15,
    )


if __name__ == "__main__":
    with thread_count(2):
        for row in rows():
            print(row, f"{row.ratio:.2f}", flush=True)
