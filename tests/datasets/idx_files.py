"""Small IDX files, written byte by byte."""

import gzip
import struct
from pathlib import Path

import numpy as np

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx_bytes(array: np.ndarray, *, magic: bytes | None = None) -> bytes:
    head = magic or bytes([0, 0, 8, array.ndim])
    return head + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()


def make_arrays(train: int = 6, test: int = 3, size: int = 28, classes: int = 10) -> list[np.ndarray]:
    source = np.random.default_rng(0)
    return [
        source.integers(256, size=(train, size, size)),
        np.arange(train) % classes,
        source.integers(256, size=(test, size, size)),
        np.arange(test) % classes,
    ]


def write_files(folder: Path, arrays: list[np.ndarray] | None = None, *, zipped: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(NAMES, arrays or make_arrays(), strict=True):
        content = idx_bytes(array)
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    return folder
