"""In which modules of a network activations are added or joined, seen while it runs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from resablate.errors import first_few
from resablate.tracing.outputs import logits_of

_ADDITIONS = frozenset({"add", "add_", "__add__", "__iadd__", "__radd__"})
_SUBTRACTIONS = frozenset({"sub", "sub_", "subtract", "__sub__", "__isub__", "__rsub__"})
_SUMS = _ADDITIONS | _SUBTRACTIONS
_JOINS = frozenset({"cat", "concat", "concatenate"})
_TERMS = 2
_SHOWN = 3


class Merge(NamedTuple):
    """Two activations become one."""

    place: str
    """The module in whose own forward pass it happens; empty for the network's."""
    kind: Literal["add", "join"]


def find_merges(network: nn.Module, images: Tensor) -> list[Merge]:
    """Every module whose own forward pass adds two activations of one shape, or joins some, each once.

    To subtract one is to add it times -1. An activation is what comes of the images; a bias or an embedding of
    positions is none.

    Args:
        network: in eval mode; left as it is.
        images: what it takes.
    """
    with modules_under_way(network) as stack:
        watch = _Watch(images, stack)
        with torch.no_grad(), watch:
            logits_of(network, images)
    return list(dict.fromkeys(watch.merges))


def merged_sentence(merges: Iterable[Merge]) -> str:
    """Where activations are joined, for a message; empty where nowhere."""
    places = [merge.place or "its forward" for merge in merges if merge.kind == "join"]
    return f" (they are joined in {first_few(places, _SHOWN)})" if places else ""


@contextmanager
def modules_under_way(
    network: nn.Module, before_change: Callable[[str], object] = lambda _: None
) -> Generator[list[str]]:
    """Inside, the list holds the names of the modules that are under way, the innermost last.

    Args:
        network: whose forward pass runs inside.
        before_change: called with the innermost one whenever another one is about to be.
    """
    stack: list[str] = [""]

    def enter(name: str) -> Callable[..., None]:
        def entered(*_: object) -> None:
            before_change(stack[-1])
            stack.append(name)

        return entered

    def leave(*_: object) -> None:
        before_change(stack.pop())

    hooks: list[Any] = []
    for name, module in network.named_modules():
        hooks += [module.register_forward_pre_hook(enter(name)), module.register_forward_hook(leave)]
    try:
        yield stack
    finally:
        for hook in hooks:
            hook.remove()


@final
class _Watch(TorchFunctionMode):
    """Notes what is added or joined of what comes of the images."""

    def __init__(self, images: Tensor, stack: Sequence[str]) -> None:
        super().__init__()
        self.merges: list[Merge] = []
        self._stack = stack
        self._known: dict[int, Tensor] = {id(images): images}  # held, so that no other tensor gets their identity

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """`func` itself."""
        output = func(*args, **(kwargs or {}))
        of_images = [tensor for tensor in _tensors([*args, *(kwargs or {}).values()]) if id(tensor) in self._known]
        if of_images:
            self._known |= {id(tensor): tensor for tensor in _tensors([output])}
            self._note(getattr(func, "__name__", ""), of_images)
        return output

    def _note(self, function: str, of_images: Sequence[Tensor]) -> None:
        if len(of_images) >= _TERMS and function in _JOINS:
            self.merges.append(Merge(self._stack[-1], "join"))
        elif len(of_images) == _TERMS and function in _SUMS and of_images[0].shape == of_images[1].shape:
            self.merges.append(Merge(self._stack[-1], "add"))


def _tensors(values: Iterable[Any]) -> list[Tensor]:
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += _tensors(value)
    return found
