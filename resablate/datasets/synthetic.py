"""Made-up images in the shape of CIFAR: for tests and timing, without a file or a download."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from resablate.datasets.images import Dataset, ImageDataset, split_images

_SEED = 20160316
_TRAIN_COUNT, _TEST_COUNT, _CLASSES = 2000, 500, 10


def _load(data_root: Path | None) -> ImageDataset:
    """Ten smooth color patterns, shifted at random and covered with noise; the same numbers on every machine."""
    generator = torch.Generator().manual_seed(_SEED)
    coarse = torch.randn(_CLASSES, 3, 4, 4, generator=generator)
    patterns = functional.interpolate(coarse, size=(32, 32), mode="bilinear", align_corners=False)
    images, labels = _draw(patterns, _TRAIN_COUNT + _TEST_COUNT, generator)
    return ImageDataset(images[:_TRAIN_COUNT], labels[:_TRAIN_COUNT], images[_TRAIN_COUNT:], labels[_TRAIN_COUNT:])


def _draw(patterns: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    labels = torch.randint(_CLASSES, (count,), generator=generator)
    shifts = torch.randint(-4, 5, (count, 2), generator=generator).tolist()
    shifted = [
        torch.roll(patterns[label], (down, right), (1, 2))
        for label, (down, right) in zip(labels.tolist(), shifts, strict=True)
    ]
    noisy = torch.stack(shifted) + torch.randn(count, 3, 32, 32, generator=generator)
    return noisy.mul(40).add(128).clamp(0, 255).to(torch.uint8), labels


SYNTHETIC = Dataset(
    load=_load,
    split=split_images,
    channels=3,
    size=(32, 32),
    num_classes=_CLASSES,
    train_count=_TRAIN_COUNT,
    test_count=_TEST_COUNT,
    source="made here",
)
