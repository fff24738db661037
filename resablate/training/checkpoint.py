"""Checkpoints and weights as safetensors files: complete or absent, and never unpickled."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import cast

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from resablate.errors import CheckpointError
from resablate.measurement import EpochMetrics
from resablate.training.loop import Training

_KEPT = 2
"""The newest checkpoint and the one before it, which is used where the newest is damaged."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file that appears under its name only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial, metadata)
    partial.replace(path)


def save_checkpoint(folder: Path, training: Training) -> Path:
    """Store `training` after its last epoch and drop all but the two newest checkpoints."""
    path = folder / f"checkpoint-{training.epoch:06d}.safetensors"
    history = json.dumps([asdict(metrics) for metrics in training.history])
    write_tensors(path, training.tensors(), {"history": history})
    for old in _checkpoints(folder)[_KEPT:]:
        old.unlink(missing_ok=True)
    return path


def resume(folder: Path, training: Training) -> list[str]:
    """Continue `training` from the newest readable checkpoint in `folder`, if there is one.

    Returns:
        A warning for each damaged checkpoint that was passed over.

    Raises:
        CheckpointError: if a checkpoint is whole but does not fit the network.
    """
    warnings: list[str] = []
    for path in _checkpoints(folder):
        try:
            with safe_open(path, framework="pt") as file:
                metadata = cast(dict[str, str], file.metadata())
            rows = json.loads(metadata["history"])
            tensors = load_file(path)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            warnings.append(f"{path}: damaged checkpoint passed over ({error})")
            continue
        try:
            training.restore(tensors, [EpochMetrics(**row) for row in rows])
        except (RuntimeError, TypeError) as error:
            raise CheckpointError(f"{path}: does not fit the network: {error}") from None
        break
    return warnings


def save_weights(path: Path, network: nn.Module) -> None:
    """Store the network's parameters and buffers."""
    write_tensors(path, network.state_dict())


def load_weights(path: Path, network: nn.Module) -> None:
    """Fill `network` with what `save_weights` stored.

    Raises:
        CheckpointError: if the file is missing, damaged, or of another network.
    """
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not readable as safetensors ({error})") from None
    except RuntimeError as error:
        raise CheckpointError(f"{path}: does not fit the network: {error}") from None


def _checkpoints(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(folder.glob("checkpoint-*.safetensors"), reverse=True)
