"""What went through some modules of a network while it ran."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import Tensor, nn


class Call(NamedTuple):
    """A module's last call."""

    input: Tensor
    output: Tensor


@contextmanager
def recorded(modules: Iterable[nn.Module]) -> Generator[dict[nn.Module, Call]]:
    """The last call of each module inside, for those that are called at all; the modules are left as they were.

    The network goes on with a copy of each output, so that what acts in place behind a module does not change what is
    recorded of it; the gradient of the recorded output is that of the copy.

    Args:
        modules: parts of one network, each with one tensor as its input and as its output.
    """
    calls: dict[nn.Module, Call] = {}

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        calls[module] = Call(inputs[0], output)
        return output.clone()

    hooks = [module.register_forward_hook(note) for module in modules]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()
