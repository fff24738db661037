"""Weights from a file that others wrote, into a network that others wrote."""

from __future__ import annotations

import re
import warnings
from argparse import Namespace
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from resablate.errors import CheckpointError, first_few

_NESTED = ("state_dict", "model_state_dict", "model", "net", "state_dict_ema", "model_ema", "ema")
"""Where training scripts keep the weights beside an optimizer's state; an average of them if there is nothing else."""
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
"""What DataParallel, torch.compile and Lightning modules put before every name."""
_COUNTERS = ("n_averaged",)
"""What torch.optim.swa_utils.AveragedModel keeps beside the weights."""
_DEEPEST = 3
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


def why_no_file(path: Path) -> str:
    """Why there is no file of weights; empty where there is a file."""
    if path.is_file():
        return ""
    return "a folder, and no file of weights" if path.is_dir() else "no such file"


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in a safetensors file, a state dict, or a checkpoint that holds one, by name.

    Nothing in the file is executed. Beside tensors and Python's plain values it may hold an argparse.Namespace, as
    timm's and Lightning's checkpoints do, which is data.

    Raises:
        CheckpointError: if the file is missing, is neither, or has tensors without numbers.
    """
    if why := why_no_file(path):
        raise CheckpointError(f"{path}: {why}")
    content = _content(path)
    for _ in range(_DEEPEST):
        inner = next((content[n] for n in _NESTED if isinstance(content, Mapping) and _is_state(content.get(n))), None)
        content = content if inner is None else inner
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        kind = (
            f"names {first_few(list(content))}" if isinstance(content, Mapping) and content else type(content).__name__
        )
        raise CheckpointError(f"{path}: not a state dict, which has a tensor for each name; got {kind}")
    if empty := [str(name) for name, tensor in content.items() if tensor.is_meta]:
        raise CheckpointError(f"{path}: tensors without numbers (device meta), {len(empty)}: {first_few(empty)}")
    return {str(name): tensor for name, tensor in content.items()}


def _is_state(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value)


def _content(path: Path) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals([Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch would rather do with an archive that it refuses
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a file that is no archive of tensors makes torch raise is not told
        text = _COLORS.sub("", str(error))
        asked = _GLOBAL.search(text)
        # Torch's own sentence advises to run what is in the file.
        plain = "" if "weights_only" in text else (text.splitlines() or [""])[0]
        reason = f"it asks for {asked[1]}" if asked else plain or "not an archive of tensors"
        raise CheckpointError(
            f"{path}: neither a safetensors file (by its ending .safetensors) nor weights that torch can read without"
            f" running code ({type(error).__name__}: {reason})"
        ) from None


def fitting_names(state: Mapping[str, Tensor], expected: Collection[str]) -> dict[str, Tensor]:
    """`state` without the prefixes that wrappers put before the names, as far as that makes them a network's.

    Args:
        state: by name.
        expected: the network's own names.
    """
    names = set(expected)
    found = {name: value for name, value in state.items() if name not in _COUNTERS}
    while True:
        stripped = [
            {name.removeprefix(prefix): value for name, value in found.items()}
            for prefix in _PREFIXES
            if any(name.startswith(prefix) for name in found)
        ]
        # A wrapper inside of a wrapper gives a name only once both are off.
        best = max(stripped, key=lambda one: (len(names & set(one)), len(one)), default=None)
        if best is None or len(names & set(best)) < len(names & set(found)) or names & set(found) == names:
            return found
        found = best


def fill_network(network: nn.Module, state: Mapping[str, Tensor], *, place: str) -> None:
    """Load `state` into `network`.

    Args:
        network: changed in place.
        state: by name, by `fitting_names`.
        place: what the error's message begins with.

    Raises:
        CheckpointError: with the tensors that are missing, too many, of another shape, or of numbers that these would
            not stay in the network: how many, and the first few.
    """
    refuse_other_weights(network, state, place=place)
    network.load_state_dict(dict(state), strict=False)


def refuse_other_weights(network: nn.Module, state: Mapping[str, Tensor], *, place: str) -> None:
    """Compare names, shapes and kinds of numbers of `state` with those of `network`, which may be on `meta`.

    Raises:
        CheckpointError: as `fill_network` does.
    """
    own = network.state_dict()
    # Counts of batches are of no use to anybody, and old files have none.
    wanted = [name for name in own if not name.endswith("num_batches_tracked")]
    missing = [name for name in wanted if name not in state]
    extra = [name for name in state if name not in own]
    shapes = [
        f"{name} {tuple(state[name].shape)} for {tuple(own[name].shape)}"
        for name in wanted
        if name in state and state[name].shape != own[name].shape
    ]
    kinds = [
        f"{name} {_kind(state[name])} for {_kind(own[name])}"
        for name in wanted
        if name in state and _kind(state[name]) != _kind(own[name])
    ]
    problems = [
        f"{text}, {len(names)}: {first_few(names)}"
        for text, names in (
            ("missing", missing),
            ("not in the network", extra),
            ("shapes that do not fit", shapes),
            ("numbers of another kind", kinds),
        )
        if names
    ]
    if problems:
        fitting = len(wanted) - len(missing) - len(shapes)
        head = f"{place}: {fitting} of its {len(wanted)} tensors are there in their shape"
        raise CheckpointError("\n".join([head, *(f"  {problem}" for problem in problems)]))


def _kind(tensor: Tensor) -> str:
    """The kind of a tensor's numbers, within which a copy keeps them but for rounding."""
    if tensor.is_quantized:
        return "quantized"
    if tensor.layout is not torch.strided:
        return "sparse"
    if tensor.is_floating_point():
        return "real"
    if tensor.is_complex():
        return "complex"
    return "true or false" if tensor.dtype is torch.bool else "whole"
