"""Weights from a file that others wrote, into a network that others wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from resablate.errors import CheckpointError

_NESTED = ("state_dict", "model")
"""Where training scripts keep the weights beside an optimizer's state."""
_PARALLEL = "module."
"""What DataParallel puts before every name."""
_SHOWN = 5


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in a safetensors file or a state dict, by name. Nothing in the file is executed.

    Raises:
        CheckpointError: if the file is missing or is neither.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a file that is no archive of tensors makes torch raise is not told
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise CheckpointError(
            f"{path}: neither a safetensors file (by its ending .safetensors) nor weights that torch can read without"
            f" running code ({type(error).__name__}: {reason})"
        ) from None
    for inner in _NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(inner), Mapping):
            content = content[inner]
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        kind = f"names {listed(content)}" if isinstance(content, Mapping) and content else type(content).__name__
        raise CheckpointError(f"{path}: not a state dict, which has a tensor for each name; got {kind}")
    return {str(name).removeprefix(_PARALLEL): tensor for name, tensor in content.items()}


def fill_network(network: nn.Module, state: Mapping[str, Tensor], *, place: str) -> None:
    """Load `state` into `network`.

    Args:
        network: changed in place.
        state: by name.
        place: what the error's message begins with.

    Raises:
        CheckpointError: with the tensors that are missing, too many, or of another shape.
    """
    own = network.state_dict()
    # Counts of batches are of no use to anybody, and old files have none.
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    extra = [name for name in state if name not in own]
    shapes = [
        f"{name} {tuple(state[name].shape)} for {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    problems = [
        f"{text}: {listed(names)}"
        for text, names in (("missing", missing), ("not in the network", extra), ("shapes that do not fit", shapes))
        if names
    ]
    if problems:
        raise CheckpointError("\n".join([place, *(f"  {problem}" for problem in problems)]))
    network.load_state_dict(dict(state), strict=False)


def listed(names: Sequence[object] | Mapping[str, object]) -> str:
    """The first few of `names`, and how many more there are."""
    texts = [str(name) for name in names]
    return ", ".join(texts[:_SHOWN]) + (f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else "")
