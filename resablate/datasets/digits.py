"""Handwritten digits, 8x8 pixels: ships with scikit-learn, so it is always there."""

from pathlib import Path

import torch

from resablate.datasets.images import Dataset, ImageDataset, split_images
from resablate.datasets.sklearn_private import read_digits

_TEST_COUNT = 360
_SPLIT_SEED = 1797


def _load(data_root: Path | None) -> ImageDataset:
    """The 1,797 digits; the first 360 of a fixed shuffle are the test set, which the source does not define."""
    pixels, classes = read_digits()
    # Pixels are 0 to 16; as bytes they use the full range.
    images = torch.from_numpy(pixels).mul(255 / 16).round().to(torch.uint8).view(-1, 1, 8, 8)
    labels = torch.from_numpy(classes).long()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(_SPLIT_SEED))
    test, train = order[:_TEST_COUNT], order[_TEST_COUNT:]
    return ImageDataset(images[train], labels[train], images[test], labels[test])


DIGITS = Dataset(
    load=_load,
    split=split_images,
    channels=1,
    size=(8, 8),
    num_classes=10,
    train_count=1437,
    test_count=_TEST_COUNT,
    source="UCI Optical Recognition of Handwritten Digits, as in scikit-learn",
)
