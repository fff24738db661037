"""The IDX file format of the MNIST family."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from resablate.errors import DatasetError

_UINT8 = 8


def read_idx(path: Path) -> Tensor:
    """The array of bytes in an IDX file, plain or gzipped, as a uint8 tensor of the file's own shape.

    Raises:
        DatasetError: if the file is truncated or no IDX file of bytes.

    Source: the format's description on the MNIST page: two zero bytes, type, number of dimensions, then each
        dimension as a big-endian 32-bit number.
    """
    try:
        opened = gzip.open(path) if path.suffix == ".gz" else path.open("rb")
        with opened as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path}: not readable ({error})") from None
    rank = content[3] if len(content) > 3 else 0  # noqa: PLR2004 - the fourth byte
    start = 4 + 4 * rank
    if content[:3] != bytes([0, 0, _UINT8]) or len(content) < start:
        raise DatasetError(f"{path}: not an IDX file of bytes (it starts with {content[:4]!r})")
    shape = [int(size) for size in np.frombuffer(content, dtype=">u4", count=rank, offset=4)]
    if len(content) - start != math.prod(shape):
        raise DatasetError(f"{path}: holds {len(content) - start} bytes, but its header says {shape}")
    return torch.from_numpy(np.frombuffer(content, dtype=np.uint8, offset=start).copy()).view(shape)
