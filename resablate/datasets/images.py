"""Image data sets: what all of them can do, and those that are held in memory as bytes."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any

import torch
from annotated_types import Ge, Interval
from torch import Tensor

from resablate.datasets.pixel_sums import PixelSums
from resablate.datasets.splitting import split_order
from resablate.errors import DatasetError
from resablate.registry import Registry

FINGERPRINT_DIGITS = 16
"""Hexadecimal digits of a data set's fingerprint."""


@dataclass(frozen=True)
class Dataset:
    """A row of the table: the shape, known without loading, how to load, and how to split.

    The keyword arguments of `load` and `split` that have a default are the data set's arguments.
    """

    load: Callable[..., StoredImages]
    """From `data_root` (a Path or None), or where the data set usually lies; raises DatasetError."""
    split: Callable[..., Splits]
    """Stored images, and keywords generator and device -> what is trained on, held out and tested on."""
    channels: int
    size: tuple[int, int]
    """(H, W) in pixels."""
    num_classes: int
    train_count: int
    test_count: int
    source: str
    streamed: bool = False
    """Whether images are of any size and decoded when needed, cut to squares by the arguments of training and test."""

    @property
    def functions(self) -> tuple[Callable[..., Any], ...]:
        """Those whose keywords are the data set's arguments."""
        return (self.load, self.split)


def tensor_fingerprint(*tensors: Tensor) -> str:
    """A hash of the kinds, shapes and bytes of some tensors, on whatever device."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()[:FINGERPRINT_DIGITS]


def label_problem(images: Tensor, labels: Tensor) -> str:
    """What is wrong with these as images (N, C, H, W) and their labels (N,), int64; empty if nothing is."""
    if images.ndim != 4 or not (images.is_floating_point() or images.dtype == torch.uint8):  # noqa: PLR2004 - N, C, H, W
        return f"images must be (N, C, H, W), of bytes or floats, but got {tuple(images.shape)} of {images.dtype}"
    if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
        wanted = f"({len(images)},) of torch.int64, the number of a class for each image"
        return f"labels must be {wanted}, but got {tuple(labels.shape)} of {labels.dtype}"
    if labels.device != images.device:
        return f"images and labels must lie on one device, but got {images.device} and {labels.device}"
    return ""


class ExampleSource(ABC):
    """Labeled images, wherever they come from: what training and analyses know of them."""

    labels: Tensor
    """(N,), int64."""

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the batches lie."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of the examples in their order: equal for equal ones, wherever they lie."""

    @abstractmethod
    def take(self, chosen: Tensor | slice) -> ExampleSource:
        """The examples at `chosen`."""

    @abstractmethod
    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalized images (B, C, H, W) and labels (B,) in order; the last batch may be shorter."""

    @abstractmethod
    def training_batches(
        self, order: Tensor, size: int, *, augmentation: str, seed: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalized images and labels of the examples at `order`, as training sees them.

        Args:
            order: indices, on `device`.
            size: examples in a batch; the last may be shorter.
            augmentation: what is done with each image before there is a batch, if it is a row of VIEWS.
            seed: of that, together with an example's index.
        """

    def cropped(self, side: int | None) -> ExampleSource:
        """The examples as they are tested at another crop; themselves where `side` is None.

        Args:
            side: of the square that is cut out, in pixels.

        Raises:
            DatasetError: if all images have one size, and so none is cut.
        """
        if side is None:
            return self
        raise DatasetError(f"crop: images of one size are not cut, got {side}; a crop goes with image_folder")

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Normalized images and labels of `count` examples drawn without replacement; of all where there are fewer."""
        chosen = torch.randperm(len(self), generator=generator)[:count].to(self.device)
        return next(self.take(chosen).batches(len(chosen)))


@dataclass(frozen=True)
class Examples(ExampleSource):
    """Labeled images on one device, normalized batch by batch.

    Args:
        images: (N, C, H, W); bytes, or floats that are already what the network takes.
        labels: (N,), int64.
        mean: (C, 1, 1) or (C, H, W), in units of the stored images divided by 255 where they are bytes.
        std: (C, 1, 1).
    """

    images: Tensor
    labels: Tensor
    mean: Tensor | None = None
    std: Tensor | None = None

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels) or not len(self.images):
            raise ValueError(f"one label for each image and at least one: {len(self.images)}, {len(self.labels)}")
        if problem := label_problem(self.images, self.labels):
            raise ValueError(problem)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def device(self) -> torch.device:
        """Where the images lie."""
        return self.images.device

    def fingerprint(self) -> str:
        """Of the images as they are stored, and the labels; how they are normalized does not count."""
        return tensor_fingerprint(self.images, self.labels)

    def normalize(self, images: Tensor) -> Tensor:
        """`images` (B, C, H, W) as the network takes them: floats, centered and scaled per channel."""
        values = images if images.is_floating_point() else images.float() / 255
        return values if self.mean is None or self.std is None else (values - self.mean) / self.std

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalized images (B, C, H, W) and labels (B,) in order; the last batch may be shorter."""
        for start in range(0, len(self), size):
            yield self.normalize(self.images[start : start + size]), self.labels[start : start + size]

    def training_batches(
        self, order: Tensor, size: int, *, augmentation: str, seed: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalized images and labels at `order`; whole batches are augmented, when they are on their device."""
        for chosen in order.split(size):
            yield self.gather(chosen)

    def gather(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Normalized images (B, C, H, W) and labels (B,) of the examples at `chosen` (B,), on their device."""
        return self.normalize(self.images.index_select(0, chosen)), self.labels.index_select(0, chosen)

    def take(self, chosen: Tensor | slice) -> Examples:
        """The examples at `chosen`."""
        rows = self.images[chosen] if isinstance(chosen, slice) else self.images.index_select(0, chosen)
        return replace(self, images=rows, labels=self.labels[chosen])

    def to(self, device: torch.device) -> Examples:
        """The examples on `device`."""
        moved = {name: value.to(device) for name, value in vars(self).items() if value is not None}
        return replace(self, **moved)


@dataclass(frozen=True)
class Splits:
    """Disjoint examples: to train on, to choose by, to report."""

    train: ExampleSource
    val: ExampleSource | None
    """None where nothing is held out."""
    test: ExampleSource
    num_classes: int | None = None
    """What was found; None: as the row of the table says."""


NORMALIZATIONS: Registry[str] = Registry(
    "normalization",
    "normalizations",
    {
        "per_channel": "mean and standard deviation of each channel: the released code of all three papers",
        "per_pixel": "the mean of each pixel, and one standard deviation: arXiv 1512.03385, section 4.2",
    },
)


class StoredImages(ABC):
    """A data set as it is stored, with the test set that everybody uses."""

    train_labels: Tensor
    """(N,), int64, from 0."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of the content: equal for equal data, wherever they lie."""


@dataclass(frozen=True)
class ImageDataset(StoredImages):
    """Images as bytes in memory."""

    train_images: Tensor
    """(N, C, H, W), uint8."""
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor

    def fingerprint(self) -> str:
        """Of the shapes and bytes of all images and labels; computed once."""
        return self._content_hash

    def train_sums(self, chosen: Tensor) -> PixelSums:
        """Of the training images at `chosen`, which are different; the sums over all of them are made once."""
        total = len(self.train_images)
        if 2 * len(chosen) <= total:
            return PixelSums.of(self.train_images, chosen)
        rest = torch.ones(total, dtype=torch.bool).index_fill_(0, chosen, False).nonzero().flatten()
        return self._all_sums - PixelSums.of(self.train_images, rest)

    @cached_property
    def _all_sums(self) -> PixelSums:
        return PixelSums.of(self.train_images)

    @cached_property
    def _content_hash(self) -> str:
        return tensor_fingerprint(self.train_images, self.train_labels, self.test_images, self.test_labels)


def split_images(
    dataset: ImageDataset,
    *,
    generator: torch.Generator,
    device: torch.device,
    train_examples: Annotated[int, Ge(1)] | None = None,
    val_fraction: Annotated[float, Interval(ge=0, lt=1)] = 0.1,
    normalization: Annotated[str, NORMALIZATIONS] = "per_channel",
) -> Splits:
    """Training and validation examples drawn by `generator`, and the data set's own test examples.

    Mean and standard deviation are taken over the training examples.

    Args:
        dataset: what was loaded.
        generator: decides which images are held out.
        device: where the bytes will lie.
        train_examples: use only so many training images, the held-out ones included; all where None.
        val_fraction: share of the training images held out; at least one image, none at 0.
        normalization: a row of NORMALIZATIONS.
    """
    train, val = split_order(
        len(dataset.train_labels), val_fraction=val_fraction, train_examples=train_examples, generator=generator
    )
    sums = dataset.train_sums(train)
    if normalization == "per_pixel":
        mean, std = sums.pixel_means(), sums.deviation().view(1, 1, 1)
    else:
        mean, std = sums.channel_means().view(-1, 1, 1), sums.channel_deviations().view(-1, 1, 1)
    std = std.clamp_min(1e-6)
    everything = Examples(dataset.train_images, dataset.train_labels, mean, std)
    test = Examples(dataset.test_images, dataset.test_labels, mean, std)
    held_out = everything.take(val).to(device) if len(val) else None
    return Splits(everything.take(train).to(device), held_out, test.to(device))
