"""What a run's files are, as tags: they are set once the files are there, and say which of them count."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from resablate.storage.files import digest, file_digest

RECORD = "resablate.record."
"""Begins the names of tags; after it stands a file of the result, and the value is the file's SHA-256."""
WEIGHTS = "resablate.weights."
"""The same of weights; the value is their SHA-256 and the name of the file in which they lie."""


def is_digest_tag(name: str) -> bool:
    """Whether a tag says what is in a file."""
    return name.startswith((RECORD, WEIGHTS))


def record_tags(files: Mapping[str, bytes]) -> dict[str, str]:
    """The tags of these files of a result."""
    return {f"{RECORD}{name}": digest(content) for name, content in files.items()}


def recorded(tags: Mapping[str, str]) -> dict[str, str]:
    """Name -> SHA-256 of the files of a run's result."""
    return {name.removeprefix(RECORD): value for name, value in tags.items() if name.startswith(RECORD) and value}


def stored_as(name: str, part: str) -> str:
    """The name under which weights that came with later measurements are stored; their own where `part` is empty."""
    path = Path(name)
    return f"{path.stem}-{part}{path.suffix}" if part else name


def weights_tags(weights: Mapping[str, Path], *, part: str = "") -> dict[str, str]:
    """The tags of weights that are stored as `stored_as` says."""
    return {f"{WEIGHTS}{name}": f"{file_digest(file)} {stored_as(name, part)}" for name, file in weights.items()}


def stored_weights(tags: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Name, by `resablate.result.weights_file` -> SHA-256 and file, of the weights that a run holds."""
    found = {
        name.removeprefix(WEIGHTS): value.split(" ", 1) for name, value in tags.items() if name.startswith(WEIGHTS)
    }
    return {name: (parts[0], parts[1]) for name, parts in found.items() if len(parts) > 1}
