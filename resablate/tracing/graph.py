"""A network's forward pass as a graph: the modules that add activations are traced, all others are called whole.

So are functions that cannot be traced where nothing is added, such as those that fit an embedding of positions to the
size of the images.
"""

from __future__ import annotations

import functools
import inspect
import linecache
import operator
import sys
import traceback
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any, cast, final

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate
from torch.fx.proxy import TraceError

from resablate.errors import ResablateError
from resablate.tracing.rewriting import (
    PLACE,
    drop_assertions,
    dropouts_as_layers,
    out_of_place,
    sums_as_plain_additions,
)

UNTRACED = "untraced"
"""In the graph's `meta`: name -> reason, of the modules that add and could not be traced."""
_ROOT = "network"
_OWN = (f"{nn.Module.__module__.partition('.')[0]}.", f"{__name__.partition('.')[0]}.")
"""What the names of modules of torch and of this package begin with."""
_LAYERS = f"{nn.Module.__module__.rpartition('.')[0]}."
"""And those of torch's own layers."""


def trace(network: nn.Module, adding: Collection[str], images: Tensor) -> fx.GraphModule:
    """The graph of `network`, of its own modules, in which nothing acts in place.

    Args:
        network: left as it is; modules that act in place have a copy in the graph that does not.
        adding: the modules whose own forward passes are looked into, by name, and so are those around them. One that
            cannot be traced is called whole after all; so is a function that cannot, where nothing is added.
        images: of the type, and on the device, of what it takes.

    Returns:
        Every node's `meta["place"]` is the name of the module whose forward pass it belongs to; the graph's
        `meta["untraced"]` says which adding modules are called whole, and why.

    Raises:
        ResablateError: if the network's own forward pass cannot be traced.
    """
    logits = _Logits(network)
    graph, untraced = _graph_of(logits, adding, images)
    parts: dict[str, Any] = {}
    for node in graph.nodes:
        if node.op in ("call_module", "get_attr"):
            found = operator.attrgetter(str(node.target))(logits)
            node.target = str(node.target).removeprefix(f"{_ROOT}.")
            parts[node.target] = found
    drop_assertions(graph)
    whole = fx.GraphModule(parts, graph)
    whole.meta[UNTRACED] = untraced
    dropouts_as_layers(whole)
    out_of_place(whole, originals=set(network.modules()))
    sums_as_plain_additions(whole, adding)
    whole.graph.eliminate_dead_code()
    return whole


def _graph_of(logits: _Logits, adding: Collection[str], images: Tensor) -> tuple[fx.Graph, dict[str, str]]:
    """The graph of as much as can be traced, and why which of the adding modules cannot."""
    opened = {""}
    for name in adding:
        words = name.split(".")
        opened |= {".".join(words[:count]) for count in range(len(words) + 1)}
    untraced: dict[str, str] = {}
    whole_functions: list[FunctionType] = []
    while True:
        tracer = _Tracer(opened, adding, images)
        try:
            with _unfused(), _called_whole(whole_functions):
                return tracer.trace(logits), untraced
        except Exception as error:  # whatever a forward pass raises that is not made for tracing
            closed = tracer.failed_in
            function = None if closed in adding else _function_under_way(error)
            if function is not None and function not in whole_functions:
                whole_functions.append(function)
                continue
            reason = _reason(error)
            if not closed:
                raise ResablateError(f"its forward pass cannot be traced: {reason}") from None
            untraced |= {name: reason for name in adding if _within(name, closed)}
            opened = {name for name in opened if not _within(name, closed)}


@contextmanager
def _unfused() -> Generator[None]:
    """Torch's transformer layers as they add, and not as the one function that they are where no gradient is asked."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextmanager
def _called_whole(functions: Collection[FunctionType]) -> Generator[None]:
    """Functions as one node each, in whatever module they are looked up; torch's own way leaves out `_private` ones."""
    known = {id(function) for function in functions}
    spaces = [getattr(module, "__dict__", {}) for module in list(sys.modules.values())] if known else []
    places = [(space, name, value) for space in spaces for name, value in list(space.items()) if id(value) in known]
    for space, name, function in places:
        space[name] = _as_node(function)
    try:
        yield
    finally:
        for space, name, function in places:
            space[name] = function


def _as_node(function: FunctionType) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        found: list[fx.Proxy] = []

        def keep(value: Any) -> None:
            if isinstance(value, fx.Proxy):
                found.append(value)

        map_aggregate((args, kwargs), keep)
        if not found:
            return function(*args, **kwargs)
        return found[0].tracer.create_proxy("call_function", function, args, kwargs)

    return call


def _reason(error: Exception) -> str:
    """Why a forward pass cannot be traced, and the line where."""
    frames = [frame for frame in traceback.walk_tb(error.__traceback__) if not _is_own(frame[0])]
    where = ""
    if frames:
        frame, line = frames[-1]
        path = frame.f_code.co_filename
        source = linecache.getline(path, line).strip()
        where = f" in line {line} of {Path(path).name}" + (f", `{source}`" if source else "")
    if isinstance(error, TraceError):
        return (
            f"what it computes depends on the images' values or sizes{where}, while a chain of blocks computes the same"
            " for all"
        )
    return f"{type(error).__name__}{where}: {(str(error).splitlines() or ['none'])[0]}"


def _is_own(frame: FrameType) -> bool:
    owner = f"{frame.f_globals.get('__name__')}."
    return owner.startswith(_OWN) and not owner.startswith(_LAYERS)


def _within(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")


@final
class _Logits(nn.Module):
    """A network as a function of images alone that gives a tensor."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Any:
        output: Any = self.network(images)
        return output if isinstance(output, Tensor | fx.Proxy) else output.logits  # looked at before


@final
class _Typed(fx.Proxy):
    """An activation whose type and place are known, so that a forward pass may compare them.

    Where modules add, whatever is converted follows the type that it has when it runs.
    """

    def __float__(self) -> float:
        raise TraceError("the value of an activation")

    def __int__(self) -> int:
        raise TraceError("the value of an activation, or its size")

    @property
    def dtype(self) -> Any:
        tracer = cast(_Tracer, self.tracer)
        return fx.Proxy.__getattr__(self, "dtype") if tracer.adds else tracer.images.dtype

    @property
    def device(self) -> Any:
        tracer = cast(_Tracer, self.tracer)
        return fx.Proxy.__getattr__(self, "device") if tracer.adds else tracer.images.device


@final
class _Tracer(fx.Tracer):
    def __init__(self, opened: Collection[str], adding: Collection[str], images: Tensor) -> None:
        super().__init__()
        self.images = images
        self._adding = adding
        self._opened = opened
        self._stack = [""]
        self.failed_in = ""
        """The innermost module that raised."""

    @property
    def adds(self) -> bool:
        """Whether the module under way is one that adds."""
        return self._stack[-1] in self._adding

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return _name_of(module_qualified_name) not in self._opened

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        try:
            name = _name_of(self.path_of_module(m))
        except NameError:  # made by the forward pass itself
            return forward(*args, **kwargs)
        self._stack.append(name)
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            self.failed_in = self.failed_in or name
            raise
        finally:
            self._stack.pop()

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Typed(node, self)

    def create_node(self, kind: str, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(kind, *args, **kwargs)
        node.meta[PLACE] = self._stack[-2] if kind == "call_module" else self._stack[-1]
        return node


def _function_under_way(error: Exception) -> FunctionType | None:
    """The function, no method and of neither torch nor this package, that the innermost module called and that raised.

    Functions beside torch's layers count. Where it calls others, the outermost.
    """
    found: FunctionType | None = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code is _Tracer.call_module.__code__:
            found = None
        if found or _is_own(frame):
            continue
        named = frame.f_globals.get(frame.f_code.co_name)
        if isinstance(named, FunctionType) and inspect.unwrap(named).__code__ is frame.f_code:
            found = named
    return found


def _name_of(path: str) -> str:
    return path.removeprefix(_ROOT).removeprefix(".")
