"""What the content of files is known by, without reading them again: as long as path, size and time stay."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from resablate.datasets.images import FINGERPRINT_DIGITS

log = logging.getLogger(__name__)

_PART_BYTES = 4096
"""Read at the start and at the end of a large compressed image: a header and what was compressed last."""
_WHOLE_BYTES = 2**30
"""Of all files together: so much is read whole in seconds."""
_UNCOMPRESSED = (b".bmp", b".pgm", b".ppm", b".tif", b".tiff")
"""Endings of files whose middle may change while size and ends stay."""
_CHUNK_BYTES = 2**20
_KEPT = re.compile(rb"[0-9a-f]{16,64}")


def folder_fingerprint(folder: Path, files: Sequence[bytes], classes: Sequence[str]) -> str:
    """A hash of classes, and of name, size and content of every file; equal wherever the folder lies.

    Where all files together are larger than 1 GiB, of compressed images the first and the last 4096 bytes count: an
    edited image is compressed to another size or another end. Reading a million files takes minutes, so the outcome is
    kept, under paths, sizes and modification times.

    Args:
        folder: what the file names are below.
        files: names, as bytes.
        classes: in the order of the labels.
    """
    named = "\0".join(classes).encode(errors="surrogateescape")
    sizes: list[int] = []

    def listing() -> Iterable[bytes]:
        yield os.fsencode(folder.resolve()) + b"\0" + named
        for name in files:
            status = os.stat(os.path.join(os.fsencode(folder), bytes(name)))  # noqa: PTH116, PTH118 - a million times
            sizes.append(status.st_size)
            yield b"%s\0%d\0%d\0" % (bytes(name), status.st_size, status.st_mtime_ns)

    def read() -> str:
        digest = hashlib.sha256(named)
        whole = sum(sizes) <= _WHOLE_BYTES
        for name, size in zip(files, sizes, strict=True):
            digest.update(b"\0%s\0%d\0" % (bytes(name), size))
            path = os.path.join(os.fsencode(folder), bytes(name))  # noqa: PTH118
            ends = not whole and not bytes(name).lower().endswith(_UNCOMPRESSED)
            for part in _parts(path, size if not ends else 2 * _PART_BYTES, size):
                digest.update(part)
        return digest.hexdigest()[:FINGERPRINT_DIGITS]

    return kept(listing(), read, of=folder)


def _parts(path: bytes, wanted: int, size: int) -> Iterable[bytes]:
    """The content of a file; where that is more than `wanted` bytes, half as many from each of its ends."""
    with open(path, "rb") as file:  # noqa: PTH123 - a million times
        if size > wanted:
            yield file.read(wanted // 2)
            file.seek(-(wanted // 2), os.SEEK_END)
        while part := file.read(_CHUNK_BYTES):
            yield part


def content_md5(path: Path) -> str:
    """The MD5 of a file's content, unpacked where it is gzipped, as hexadecimal digits; kept as fingerprints are.

    Raises:
        OSError, EOFError, zlib.error: if it cannot be read.
    """
    status = path.stat()
    listing = b"md5\0%s\0%d\0%d" % (os.fsencode(path.resolve()), status.st_size, status.st_mtime_ns)

    def read() -> str:
        digest = hashlib.md5(usedforsecurity=False)
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while part := file.read(_CHUNK_BYTES):
                digest.update(part)
        return digest.hexdigest()

    return kept([listing], read, of=path)


def kept(listing: Iterable[bytes], read: Callable[[], str], *, of: Path) -> str:
    """What `read` gives, from the user's cache where it is kept there under the hash of `listing`.

    Args:
        listing: what tells whether the content may have changed.
        read: looks at the content; gives 16 to 64 hexadecimal digits.
        of: what it is about, for a warning.
    """
    under = hashlib.sha256()
    for part in listing:
        under.update(part)
    place = Path.home() / ".cache" / "resablate" / "fingerprints" / under.hexdigest()
    try:
        known = place.read_bytes()
    except OSError:
        known = b""
    if _KEPT.fullmatch(known):  # a machine that stops may leave an empty file
        return known.decode()
    found = read()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_name(f"{place.name}.{os.getpid()}.partial")
        partial.write_text(found, encoding="ascii")
        partial.replace(place)
    except OSError as error:
        log.warning("%s: the fingerprint of %s is not kept and is made again next time (%s)", place, of, error)
    return found
