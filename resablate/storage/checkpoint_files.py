"""What a trial continues from: a checkpoint and the files that go with it, one whole or nothing.

A checkpoint is a safetensors file. Its metadata say whose it is and of which epoch, the history, the digest of every
file that goes with it, and a checksum of the file itself. It is written after those files, so whoever finds it whole
finds all of it whole. This needs no torch: whoever copies checkpoints checks them too.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from resablate.errors import FilesUnreadable
from resablate.measurement import EpochMetrics
from resablate.plain_json import read_json
from resablate.storage.files import ABSENT, damaged_file, digest, remove

log = logging.getLogger(__name__)

CHECKPOINTS = "checkpoint-*.safetensors"
PARTS = ("after-epoch-*.safetensors", "analyses-*.json")
"""The files that go with checkpoints: weights after epochs that are asked about, and the answers."""
_VERSION = "1"
"""Of the form of checkpoints and of the files that go with them; a change of either has another."""
_CHECKSUM = "checksum"
_BLANK = "0" * 64
_LENGTH_BYTES = 8
"""A safetensors file begins with the length of its header, little-endian. Source: the format's README."""


class Checkpoint(NamedTuple):
    """A checkpoint that is whole, without its tensors."""

    path: Path
    history: list[EpochMetrics]
    files: dict[str, str]
    """Name -> SHA-256 of what goes with it."""
    pack_size: int
    """Trainings that were one network with this one, itself included, at most."""


def checkpoint_file(epoch: int) -> str:
    """The name of the checkpoint after an epoch."""
    return f"checkpoint-{epoch:06d}.safetensors"


def checkpoint_metadata(
    key: str, history: Sequence[EpochMetrics], files: Mapping[str, str], *, pack_size: int = 1
) -> dict[str, str]:
    """What a checkpoint says of itself, with the place that `seal` fills.

    Args:
        key: of the trial.
        history: one row for each epoch.
        files: name -> SHA-256 of what goes with it.
        pack_size: trainings that were one network with this one, itself included, at most.
    """
    return {
        "version": _VERSION,
        "key": key,
        "history": json.dumps([asdict(metrics) for metrics in history]),
        "files": json.dumps(dict(files)),
        "pack_size": str(pack_size),
        _CHECKSUM: _BLANK,
    }


def seal(content: bytes) -> bytes:
    """A safetensors file with `checkpoint_metadata`, its checksum filled in."""
    return content.replace(_entry(_BLANK), _entry(digest(content)), 1)


class Examined(NamedTuple):
    """What lies in the folder of a trial."""

    whole: list[Checkpoint]
    """Checkpoints that are whole, the newest first."""
    damaged: dict[Path, str]
    """What is no whole checkpoint of the trial -> why."""
    unknown: list[Path]
    """Files that go with no whole checkpoint, and what was not written to its end."""


def examine(folder: Path, *, key: str) -> Examined:
    """Look at what a trial would continue from, without changing any of it.

    Args:
        folder: of the trial; may be missing.
        key: of the trial.

    Raises:
        FilesUnreadable: if anything of it is there and cannot be read.
    """
    whole: list[Checkpoint] = []
    damaged: dict[Path, str] = {}
    for path in _listed(folder):
        try:
            whole.append(_read(path, key))
        except (*ABSENT, ValueError, TypeError, KeyError, AttributeError) as error:
            damaged[path] = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
        except OSError as error:
            raise _unreadable(path, error) from error
    if folder.exists() and not folder.is_dir():
        damaged[folder] = "it is a file in the place of a folder"
    known = {name for checkpoint in whole for name in checkpoint.files}
    parts = [path for pattern in (*PARTS, "*.partial") for path in sorted(folder.glob(pattern))]
    return Examined(whole, damaged, [path for path in parts if path.name not in known])


def keep_whole(folder: Path, *, key: str) -> Checkpoint | None:
    """The newest checkpoint of the trial in its folder, if there is one that is whole.

    What is damaged, another trial's or left over is removed, with a warning for each checkpoint: it is in the way of
    what is written next.

    Args:
        folder: of the trial; may be missing.
        key: of the trial.

    Raises:
        FilesUnreadable: if anything of it is there and cannot be read; nothing is removed then.
    """
    found = examine(folder, key=key)
    for path, reason in found.damaged.items():
        log.warning("%s: damaged checkpoint passed over (%s)", path, reason)
        remove(path)
    for path in found.unknown:
        remove(path)
    return found.whole[0] if found.whole else None


def _listed(folder: Path) -> list[Path]:
    """The checkpoints in the folder of a trial, the newest first."""
    try:
        names = [path.name for path in folder.iterdir()]  # a glob passes over what it may not read
    except ABSENT:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error
    return [folder / name for name in sorted(names, reverse=True) if fnmatch(name, CHECKPOINTS)]


def _unreadable(path: Path, error: OSError) -> FilesUnreadable:
    return FilesUnreadable(
        f"{error.filename or path}: cannot be read ({error.strerror}), so nothing of its trial was removed or begun"
        " anew: see that it can be read, or remove it, and run the sweep with --retry failed"
    )


def _read(path: Path, key: str) -> Checkpoint:
    """The checkpoint of this trial at `path`; ValueError and its like say why there is none."""
    metadata = _checked_metadata(path)
    for name, expected in (("version", _VERSION), ("key", key)):
        if metadata[name] != expected:
            raise ValueError(f"its {name} is {metadata[name]!r}, not {expected!r}")
    history = [EpochMetrics(**row) for row in read_json(metadata["history"])]
    if not history or path.name != checkpoint_file(len(history)):
        raise ValueError(f"its history has {len(history)} rows")
    files: dict[str, str] = read_json(metadata["files"])
    if problem := damaged_file(path.parent, files):
        raise ValueError(problem)
    # One that says nothing is older than the entry, and trained alone as far as anybody knows.
    return Checkpoint(path, history, files, int(metadata.get("pack_size", "1")))


def _checked_metadata(path: Path) -> dict[str, Any]:
    """The metadata of a sealed file; ValueError if a bit of it is not what was written."""
    with path.open("rb") as file:
        length = file.read(_LENGTH_BYTES)
        size = int.from_bytes(length, "little")
        if len(length) < _LENGTH_BYTES or size > path.stat().st_size:
            raise ValueError("it is cut off")
        header = file.read(size)
        metadata: dict[str, Any] = read_json(header)["__metadata__"]
        stated = str(metadata[_CHECKSUM])
        found = hashlib.sha256(length + header.replace(_entry(stated), _entry(_BLANK), 1))
        while chunk := file.read(2**20):
            found.update(chunk)
    if found.hexdigest() != stated:
        raise ValueError("its checksum is not that of its content")
    return metadata


def _entry(checksum: str) -> bytes:
    """How the checksum stands in the header: texts inside other values have their quotes escaped."""
    return f'"{_CHECKSUM}":"{checksum}"'.encode()
