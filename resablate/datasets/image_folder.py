"""Image files in folders named after their classes: ImageNet's layout."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from resablate.datasets.images import Dataset, Splits, StoredImages
from resablate.datasets.locations import data_roots
from resablate.datasets.streaming import FileExamples
from resablate.errors import DatasetError

_ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Those of torchvision's ImageFolder."""
_LAYOUT = "train/CLASS/IMAGE and val/CLASS/IMAGE"
_FEWEST_EXAMPLES = 2
_TEST_SEED = 50_000


@dataclass(frozen=True)
class FolderImages(StoredImages):
    """The names of the images, which stay on disk; `val/` is the test set.

    Args:
        folder: holds `train` and `val`.
        classes: names of the folders of `train`, sorted; a label is a place in it.
        train_files: (N,), below `folder`.
        train_labels: (N,), int64.
        test_files: (N,), below `folder`.
        test_labels: (N,), int64.
    """

    folder: Path
    classes: tuple[str, ...]
    train_files: NDArray[np.bytes_]
    train_labels: Tensor
    test_files: NDArray[np.bytes_]
    test_labels: Tensor

    def splits(
        self,
        *,
        train: Tensor,
        val: Tensor,
        device: torch.device,
        normalization: str,
        train_crop: int,
        test_crop: int,
    ) -> Splits:
        """The examples at `train` and at `val`, and those of `val/` in a fixed order of their own.

        Raises:
            DatasetError: if too few are left to train on, or for the normalization by pixels.
        """
        if normalization != "per_channel":
            raise DatasetError(f"image_folder: images of many sizes have no mean of each pixel; got {normalization!r}")
        if len(train) < _FEWEST_EXAMPLES:
            raise DatasetError(
                f"{self.folder / 'train'}: at least {_FEWEST_EXAMPLES} images must be left to train on, but of"
                f" {len(train) + len(val)} {len(val)} are held out"
            )
        whole = FileExamples(self.folder, self.train_files, self.train_labels.to(device), train_crop, test_crop)
        test = FileExamples(self.folder, self.test_files, self.test_labels.to(device), train_crop, test_crop)
        # Mixed, as other data sets are: the first few of them are then of many classes.
        mixed = torch.randperm(len(test), generator=torch.Generator().manual_seed(_TEST_SEED)).to(device)
        return Splits(
            whole.take(train.to(device)), whole.take(val.to(device)), test.take(mixed), num_classes=len(self.classes)
        )


def _load(data_root: Path | None) -> FolderImages:
    """The first folder of ImageNet's layout in `data_root`, $RESABLATE_DATA or the cache; names alone are read.

    Raises:
        DatasetError: if there is none, or a part of it is missing; names the place and the remedy.
    """
    looked = [folder for root in data_roots(data_root) for folder in (root, root / "image_folder")]
    folder = next((f for f in looked if (f / "train").is_dir() or (f / "val").is_dir()), None)
    if folder is None:
        places = "\n".join(f"    {place}" for place in looked)
        raise DatasetError(
            f"image_folder: not found\n  looked for {_LAYOUT} in:\n{places}\n"
            "  pass --data-root FOLDER or set RESABLATE_DATA; ImageNet's images are to be had at image-net.org"
        )
    for part in ("train", "val"):
        if not (folder / part).is_dir():
            hint = "; to look at a trained network alone, a link to val will do" if part == "train" else ""
            raise DatasetError(f"{folder}: no folder {part}/ (needed: {_LAYOUT}{hint})")
    classes = _classes(folder / "train")
    strange = [name for name in _classes(folder / "val") if name not in set(classes)]
    if strange:
        raise DatasetError(
            f"{folder / 'val'}: {len(strange)} classes that train/ lacks: {', '.join(strange[:5])}"
            f"{', ...' if len(strange) > 5 else ''}"  # noqa: PLR2004 - as many as shown
        )
    train_files, train_labels = _images(folder, "train", classes)
    test_files, test_labels = _images(folder, "val", classes)
    return FolderImages(folder, classes, train_files, train_labels, test_files, test_labels)


def _classes(part: Path) -> tuple[str, ...]:
    """The folders in `part`, sorted by name."""
    names = sorted(entry.name for entry in os.scandir(part) if entry.is_dir())
    if not names:
        raise DatasetError(f"{part}: no folder in it; the images must be sorted into one folder for each class")
    return tuple(names)


def _images(folder: Path, part: str, classes: tuple[str, ...]) -> tuple[NDArray[np.bytes_], Tensor]:
    """The image files of `part` by class and name, and their labels."""
    names: list[bytes] = []
    counts: list[int] = []
    for name in classes:
        place = folder / part / name
        found = sorted(entry.name for entry in os.scandir(place)) if place.is_dir() else []
        images = [file for file in found if file.lower().endswith(_ENDINGS)]
        if part == "train" and not images:
            raise DatasetError(f"{place}: no image in it (files ending in {', '.join(_ENDINGS)})")
        names += [os.fsencode(f"{part}/{name}/{file}") for file in images]
        counts.append(len(images))
    if not names:
        raise DatasetError(f"{folder / part}: no image in it (files ending in {', '.join(_ENDINGS)})")
    return np.array(names), torch.arange(len(classes)).repeat_interleave(torch.tensor(counts))


IMAGE_FOLDER = Dataset(
    load=_load,
    channels=3,
    size=(224, 224),
    num_classes=1000,
    train_count=1_281_167,
    test_count=50_000,
    source="layout of Russakovsky et al., arXiv 1409.0575; the numbers are ImageNet's, until a folder is read",
    streamed=True,
)
