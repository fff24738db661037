import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from resablate.datasets.idx import read_idx
from resablate.errors import DatasetError
from tests.datasets.idx_files import idx_bytes

ARRAY = np.arange(24).reshape(2, 3, 4)


@pytest.mark.parametrize("zipped", [False, True])
def test_an_array_reads_back(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / ("a.gz" if zipped else "a")
    content = idx_bytes(ARRAY)
    path.write_bytes(gzip.compress(content) if zipped else content)
    found = read_idx(path)
    assert found.dtype == torch.uint8
    assert found.tolist() == ARRAY.tolist()
    found += 1  # the memory is ours to write


WHOLE = idx_bytes(ARRAY)
ZIPPED = gzip.compress(WHOLE, mtime=0)
BROKEN = {
    "truncated": (WHOLE[:-1], "a: holds 23 bytes, but its header says \\[2, 3, 4\\]"),
    "too-long": (WHOLE + b"x", "a: holds 25 bytes"),
    "no-data": (WHOLE[:16], "a: holds 0 bytes"),
    "half-a-header": (WHOLE[:9], "a: not an IDX file of bytes"),
    "empty": (b"", "a: not an IDX file of bytes .it starts with b''"),
    "three-bytes": (WHOLE[:3], "a: not an IDX file"),
    "wrong-type": (
        idx_bytes(ARRAY, magic=bytes([0, 0, 0x0D, 3])),
        r"a: not an IDX file of bytes .it starts with b'\\x",
    ),
    "wrong-magic": (b"\x89PNG" + WHOLE, "not an IDX file of bytes .it starts with b'.x89PNG'"),
    "gzip-under-a-plain-name": (ZIPPED, "a: not an IDX file"),
    "huge-header": (bytes([0, 0, 8, 4]) + b"\xff" * 16, "a: holds 0 bytes"),
    "overflowing-header": (bytes([0, 0, 8, 2]) + b"\x80\x00\x00\x00" * 2, "a: holds 0 bytes"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_idx(path)


@pytest.mark.parametrize(
    "content",
    [
        ZIPPED[:-9],
        ZIPPED[:4],
        ZIPPED[:14] + bytes([ZIPPED[14] ^ 0xFF]) + ZIPPED[15:],
        WHOLE,
        ZIPPED[:10] + b"\xff" * 30,
    ],
    ids=["truncated", "header-alone", "flipped-byte", "not-zipped", "no-deflate"],
)
def test_a_broken_gzip_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"a.gz: not (readable|an IDX file)"):
        read_idx(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere: not readable"):
        read_idx(tmp_path / "nowhere")
