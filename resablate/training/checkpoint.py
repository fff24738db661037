"""Checkpoints and weights as safetensors files: complete or absent, and never unpickled."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from resablate.errors import CheckpointError
from resablate.storage.checkpoint_files import CHECKPOINTS, checkpoint_file, checkpoint_metadata, keep_whole, seal
from resablate.storage.files import digest, write_bytes
from resablate.training.loop import Training

_KEPT = 2
"""The newest checkpoint and the one before it, which is used where the newest is damaged."""
_LONGEST_REASON = 300
"""Characters."""


def save_checkpoint(folder: Path, training: Training, *, key: str = "", files: Mapping[str, str] | None = None) -> Path:
    """Store `training` after its last epoch and drop all but the two newest checkpoints.

    Args:
        folder: of the trial.
        training: what is stored, with its history.
        key: of the trial.
        files: name -> SHA-256 of what lies in the folder and goes with it.

    Raises:
        OSError: if the disk does not take it.
    """
    path = folder / checkpoint_file(training.epoch)
    metadata = checkpoint_metadata(key, training.history, files or {}, pack_size=training.pack_size)
    write_bytes(path, seal(tensor_bytes(training.tensors(), metadata)))
    for old in _checkpoints(folder)[_KEPT:]:
        old.unlink(missing_ok=True)
    return path


def resume(folder: Path, training: Training, *, key: str = "") -> dict[str, str]:
    """Continue `training` from the newest whole checkpoint of the trial in `folder`, if there is one.

    What is damaged, or another trial's, is removed with a warning.

    Returns:
        Name -> SHA-256 of the files that go with the checkpoint.

    Raises:
        CheckpointError: if the newest is whole but does not fit the network, which is of no more use then.
    """
    found = keep_whole(folder, key=key)
    if found is None:
        return {}
    try:
        training.restore(load_file(found.path), found.history, pack_size=found.pack_size)
    except (RuntimeError, TypeError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{found.path}: does not fit the network: {_in_one_line(error)}") from None
    return found.files


def drop_newest_checkpoint(folder: Path) -> None:
    """Remove the newest checkpoint, so that the one before it is the newest.

    Raises:
        OSError: if it cannot be removed.
    """
    for newest in _checkpoints(folder)[:1]:
        newest.unlink()


def save_weights(path: Path, network: nn.Module) -> str:
    """Store the network's parameters and buffers, and return the SHA-256 of the file."""
    content = tensor_bytes(network.state_dict())
    write_bytes(path, content)
    return digest(content)


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
        raise CheckpointError(f"{path}: does not fit the network: {_in_one_line(error)}") from None


def tensor_bytes(tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """The content of a safetensors file."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata)


def _in_one_line(error: Exception) -> str:
    """Torch names every tensor that does not fit, each in a line."""
    text = " ".join(str(error).split())
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."


def _checkpoints(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(folder.glob(CHECKPOINTS), reverse=True)
