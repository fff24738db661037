"""What the content of a folder of images is known by, without reading every image again."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

from resablate.datasets.images import FINGERPRINT_DIGITS

log = logging.getLogger(__name__)

_PART_BYTES = 4096
"""Read at the start and at the end of every image: a header and what was compressed last."""
_FINGERPRINT = re.compile(rb"[0-9a-f]{%d}" % FINGERPRINT_DIGITS)


def folder_fingerprint(folder: Path, files: Sequence[bytes], classes: Sequence[str]) -> str:
    """A hash of classes, and of name, size, first and last bytes of every file; equal wherever the folder lies.

    Reading parts of a million files takes minutes, so the outcome is kept in the user's cache, under a hash of paths,
    sizes and modification times: as long as these stay, nothing is read.

    Args:
        folder: what the file names are below.
        files: names, as bytes.
        classes: in the order of the labels.
    """
    named = "\0".join(classes).encode(errors="surrogateescape")
    listing = hashlib.sha256(os.fsencode(folder.resolve()) + b"\0" + named)
    sizes: list[int] = []
    for name in files:
        status = os.stat(os.path.join(os.fsencode(folder), bytes(name)))  # noqa: PTH116, PTH118 - a million times
        sizes.append(status.st_size)
        listing.update(b"%s\0%d\0%d\0" % (bytes(name), status.st_size, status.st_mtime_ns))
    kept = _cache_folder() / listing.hexdigest()
    try:
        known = kept.read_bytes()
    except OSError:
        known = b""
    if _FINGERPRINT.fullmatch(known):  # a machine that stops may leave an empty file
        return known.decode()
    digest = hashlib.sha256(named)
    for name, size in zip(files, sizes, strict=True):
        digest.update(b"\0%s\0%d\0" % (bytes(name), size))
        with open(os.path.join(os.fsencode(folder), bytes(name)), "rb") as file:  # noqa: PTH118, PTH123
            digest.update(file.read(_PART_BYTES))
            if size > 2 * _PART_BYTES:
                file.seek(-_PART_BYTES, os.SEEK_END)
            digest.update(file.read(_PART_BYTES))
    found = digest.hexdigest()[:FINGERPRINT_DIGITS]
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_name(f"{kept.name}.{os.getpid()}.partial")
        partial.write_text(found, encoding="ascii")
        partial.replace(kept)
    except OSError as error:
        log.warning("%s: the fingerprint of %s is not kept and is made again next time (%s)", kept, folder, error)
    return found


def _cache_folder() -> Path:
    return Path.home() / ".cache" / "resablate" / "fingerprints"
