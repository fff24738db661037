"""The logits in what a network gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor, nn

from resablate.errors import ResablateError, first_few

_SHOWN = 4


def logits_of(network: nn.Module, images: Tensor) -> Tensor:
    """What `network` gives for `images`: its output, or the `logits` of it.

    Raises:
        ResablateError: if it gives something else; the message says what, and how to choose the logits.
    """
    return logits_in(network(images), name=type(network).__name__)


def logits_in(output: object, *, name: str) -> Tensor:
    """A network's output where that is a tensor, else its attribute `logits`, as of transformers' outputs.

    Args:
        output: of a forward pass.
        name: the network's, for the message.

    Raises:
        ResablateError: if it is neither.
    """
    logits = output if isinstance(output, Tensor) else getattr(output, "logits", None)
    if isinstance(logits, Tensor):
        return logits
    given, choice = _described(output)
    raise ResablateError(
        f"{name}: its forward pass gives {given}, and wanted are logits, one tensor (B, classes), or an output with an"
        f" attribute logits; choose them in a module around it, and adapt that:\n"
        "    class Logits(torch.nn.Sequential):\n"
        "        def forward(self, images):\n"
        f"            return self[0](images){choice}\n"
        "    adapt(Logits(network))"
    )


def _described(output: object) -> tuple[str, str]:
    """What an output is, and what chooses the logits in it."""
    kind = type(output).__name__
    if isinstance(output, Mapping) and output:
        named = cast(Mapping[Any, Any], output)
        likely = next((key for key in ("logits", "out", "output", "pred") if key in named), next(iter(named)))
        return f"a {kind} of {first_few([repr(key) for key in named], _SHOWN)}", f"[{likely!r}]"
    if isinstance(output, Sequence) and output and not isinstance(output, str):
        parts = [_part(part) for part in cast(Sequence[Any], output)]
        return f"a {kind} of {len(parts)} ({first_few(parts, _SHOWN)})", "[0]"
    return ("nothing" if output is None else f"a {kind}"), "  # the logits of it"


def _part(part: object) -> str:
    return f"a tensor {tuple(part.shape)}" if isinstance(part, Tensor) else type(part).__name__
