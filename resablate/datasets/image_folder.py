"""Image files in folders named after their classes: ImageNet's layout."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Interval
from numpy.typing import NDArray
from torch import Tensor

from resablate.datasets.fingerprints import folder_fingerprint
from resablate.datasets.images import Dataset, Splits, StoredImages
from resablate.datasets.locations import data_roots
from resablate.datasets.splitting import split_order
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

    def fingerprint(self) -> str:
        """Of the classes, and of name, size and content of every image; computed once."""
        return self._content_hash

    @cached_property
    def _content_hash(self) -> str:
        return folder_fingerprint(self.folder, [*self.train_files, *self.test_files], self.classes)


def split_files(
    dataset: FolderImages,
    *,
    generator: torch.Generator,
    device: torch.device,
    train_examples: Annotated[int, Ge(1)] | None = None,
    val_fraction: Annotated[float, Interval(ge=0, lt=1)] = 0.1,
    train_crop: Annotated[int, Interval(ge=8, le=4096)] = 224,
) -> Splits:
    """Training and validation examples drawn by `generator`, and those of `val/` in a fixed order of their own.

    Args:
        dataset: what was loaded.
        generator: decides which images are held out.
        device: where batches will lie.
        train_examples: use only so many training images, the held-out ones included; all where None.
        val_fraction: share of the training images held out; at least one image, none at 0.
        train_crop: sides in pixels of what is trained on, and tested on unless a question says otherwise.

    Raises:
        DatasetError: if too few are left to train on.
    """
    train, val = split_order(
        len(dataset.train_labels), val_fraction=val_fraction, train_examples=train_examples, generator=generator
    )
    if len(train) < _FEWEST_EXAMPLES:
        raise DatasetError(
            f"{dataset.folder / 'train'}: at least {_FEWEST_EXAMPLES} images must be left to train on, but of"
            f" {len(train) + len(val)} {len(val)} are held out"
        )
    whole = FileExamples(dataset.folder, dataset.train_files, dataset.train_labels.to(device), train_crop, train_crop)
    test = FileExamples(dataset.folder, dataset.test_files, dataset.test_labels.to(device), train_crop, train_crop)
    # Mixed, as other data sets are: the first few of them are then of many classes.
    mixed = torch.randperm(len(test), generator=torch.Generator().manual_seed(_TEST_SEED)).to(device)
    held_out = whole.take(val.to(device)) if len(val) else None
    return Splits(whole.take(train.to(device)), held_out, test.take(mixed), num_classes=len(dataset.classes))


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
    """The folders in `part` that are not hidden, sorted by name."""
    names = sorted(entry.name for entry in _entries(part) if entry.is_dir())
    if not names:
        raise DatasetError(f"{part}: no folder in it; the images must be sorted into one folder for each class")
    return tuple(names)


def _entries(place: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, without what is hidden, such as the copies that an editor or a notebook keeps.

    Raises:
        DatasetError: if a link leads nowhere, or to itself.
    """
    try:
        with os.scandir(place) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DatasetError(f"{place}: not readable ({error.strerror})") from None
    for entry in found:
        if entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110 - a Path raises where a link loops
            raise DatasetError(f"{entry.path}: a link that leads nowhere, or to itself")
    return found


def _images(folder: Path, part: str, classes: tuple[str, ...]) -> tuple[NDArray[np.bytes_], Tensor]:
    """The image files of `part` by class and name, and their labels."""
    names: list[bytes] = []
    counts: list[int] = []
    for name in classes:
        place = folder / part / name
        found = sorted(_entries(place), key=lambda entry: entry.name) if place.is_dir() else []
        if nested := [entry.name for entry in found if entry.is_dir()]:
            raise DatasetError(f"{place / nested[0]}: a folder inside a class, whose images lie in {place} itself")
        images = [entry.name for entry in found if entry.name.lower().endswith(_ENDINGS)]
        if part == "train" and not images:
            raise DatasetError(f"{place}: no image in it (files ending in {', '.join(_ENDINGS)})")
        names += [os.fsencode(f"{part}/{name}/{file}") for file in images]
        counts.append(len(images))
    if not names:
        raise DatasetError(f"{folder / part}: no image in it (files ending in {', '.join(_ENDINGS)})")
    return np.array(names), torch.arange(len(classes)).repeat_interleave(torch.tensor(counts))


IMAGE_FOLDER = Dataset(
    load=_load,
    split=split_files,
    channels=3,
    size=(224, 224),
    num_classes=1000,
    train_count=1_281_167,
    test_count=50_000,
    source="layout of Russakovsky et al., arXiv 1409.0575; the numbers are ImageNet's, until a folder is read",
    streamed=True,
)
