"""Examples that are files: decoded when they are needed, by worker processes, never all at once."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import shutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from resablate.datasets.images import FINGERPRINT_DIGITS, Examples, ExampleSource
from resablate.datasets.pixel_depths import as_rgb
from resablate.datasets.views import VIEWS, View, center
from resablate.errors import DatasetError

log = logging.getLogger(__name__)

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's training images, per channel: what torchvision's weights expect."""
_SHARED_MEMORY = Path("/dev/shm")
"""Through which the processes of a DataLoader hand on what they decoded; 64 MiB in a container, if nobody asks."""
_BATCHES_AHEAD = 2
"""Of each process: the DataLoader's prefetch_factor."""
_FEWEST = 64
"""Images from which it is worth starting a process."""


@dataclass(frozen=True)
class FileExamples(ExampleSource):
    """Labeled image files, normalized by ImageNet's mean and standard deviation.

    Images are cut to squares: by `center` at `test_crop` pixels, and while training as the augmentation says at
    `train_crop`. What an image looks like depends on its place and the seed alone, not on how many processes decode.

    Args:
        folder: what the file names are below.
        files: (N,), as bytes, which worker processes share without a copy.
        labels: (N,), int64, on the device where the batches will lie.
        train_crop: sides in pixels.
        test_crop: sides in pixels.
    """

    folder: Path
    files: NDArray[np.bytes_]
    labels: Tensor
    train_crop: int
    test_crop: int

    def __len__(self) -> int:
        return len(self.files)

    @property
    def device(self) -> torch.device:
        """Where the batches lie."""
        return self.labels.device

    def take(self, chosen: Tensor | slice) -> FileExamples:
        """The examples at `chosen`."""
        files = self.files[chosen if isinstance(chosen, slice) else chosen.cpu().numpy()]
        return replace(self, files=files, labels=self.labels[chosen])

    def fingerprint(self) -> str:
        """Of the names of the files and the labels; two folders of equal names hold the same examples by name."""
        digest = hashlib.sha256(self.files.tobytes())
        digest.update(self.labels.cpu().numpy().tobytes())
        return digest.hexdigest()[:FINGERPRINT_DIGITS]

    def cropped(self, side: int | None) -> FileExamples:
        """The examples as they are tested at another crop; themselves where None."""
        return self if side is None else replace(self, test_crop=side)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalized images (B, 3, `test_crop`, `test_crop`) and labels (B,) in order.

        Raises:
            DatasetError: naming the image that cannot be decoded.
        """
        order = torch.arange(len(self), device=self.device)
        return self._decoded(order, size, _Decoder(self.folder, self.files, center, self.test_crop, seed=0))

    def training_batches(
        self, order: Tensor, size: int, *, augmentation: str, seed: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalized images (B, 3, `train_crop`, `train_crop`) and labels (B,) in the order given.

        Raises:
            DatasetError: naming the image that cannot be decoded.
        """
        view = VIEWS.get(augmentation, center)
        return self._decoded(order, size, _Decoder(self.folder, self.files, view, self.train_crop, seed))

    def _decoded(self, order: Tensor, size: int, decoder: _Decoder) -> Iterator[tuple[Tensor, Tensor]]:
        mean, std = (torch.tensor(values, device=self.device).view(-1, 1, 1) for values in (_MEAN, _STD))
        pieces = order.split(size)
        loader = DataLoader(
            decoder,
            batch_sampler=[piece.tolist() for piece in pieces],
            num_workers=0 if len(order) < _FEWEST else _workers(len(pieces), size * 3 * decoder.crop**2),
            collate_fn=_stack,
            # The loader seeds its workers, who draw nothing from it; this keeps it off torch's global generator.
            generator=torch.Generator(),
        )
        with warnings.catch_warnings():
            # Python 3.12 warns of any fork beside threads. A worker takes no lock of theirs: it decodes and copies.
            warnings.filterwarnings("ignore", message=".*use of fork", category=DeprecationWarning)
            decoded = iter(loader)
        for piece, images in zip(pieces, decoded, strict=True):
            if isinstance(images, str):
                raise DatasetError(images)
            batch = Examples(images.to(self.device), self.labels[piece], mean, std)
            yield batch.normalize(batch.images), batch.labels


class _Decoder(Dataset[Tensor | str]):
    """Index -> bytes (3, crop, crop), or why there are none: an error of its own would lose its text on the way."""

    def __init__(self, folder: Path, files: NDArray[np.bytes_], view: View, crop: int, seed: int) -> None:
        self._folder = folder
        self._files = files
        self._view = view
        self.crop = crop
        self._seed = seed

    def __getitem__(self, index: int) -> Tensor | str:
        from PIL import Image

        path = self._folder / os.fsdecode(bytes(self._files[index]))
        try:
            with Image.open(path) as opened:
                image = as_rgb(opened)
        except Exception as error:  # a decoder raises whatever its format makes it stumble over
            return f"{path}: cannot be decoded as an image ({type(error).__name__}: {error})"
        square = self._view(image, self.crop, random.Random(f"{self._seed}/{index}"))
        return torch.from_numpy(np.array(square)).permute(2, 0, 1).contiguous()


def _workers(batches: int, batch_bytes: int) -> int:
    """Processes that decode: as many as there are threads, and none where their batches have no room to be handed on.

    A worker that finds the shared memory full is killed, or waits for ever.
    """
    workers = min(torch.get_num_threads(), _cores(), batches)
    needed = (_BATCHES_AHEAD * workers + 1) * batch_bytes
    free = shutil.disk_usage(_SHARED_MEMORY).free if _SHARED_MEMORY.is_dir() else needed
    if needed <= free:
        return workers
    _warn_once(
        f"{_SHARED_MEMORY} has {free / 2**20:.0f} MiB free, and {workers} processes that decode images need"
        f" {needed / 2**20:.0f}: they are decoded in this process, one after another; in a container, --shm-size gives"
        " more"
    )
    return 0


@cache
def _warn_once(text: str) -> None:
    log.warning("%s", text)


def _cores() -> int:
    """Those that this process may use; more workers than that the loader warns of."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _stack(images: Sequence[Tensor | str]) -> Tensor | str:
    broken = [image for image in images if isinstance(image, str)]
    return broken[0] if broken else torch.stack([image for image in images if isinstance(image, Tensor)])
