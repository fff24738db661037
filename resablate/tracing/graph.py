"""A network's forward pass as a graph: the modules that add activations are traced, all others are called whole.

So are functions that cannot be traced where nothing is added, such as those that fit an embedding of positions to the
size of the images.
"""

from __future__ import annotations

import copy
import inspect
import operator
import traceback
from collections.abc import Callable, Collection, Mapping
from types import FunctionType
from typing import Any, cast, final

from torch import Tensor, fx, nn
from torch.nn import functional

from resablate.errors import ResablateError

PLACE = "place"
"""In a node's `meta`: the module in whose own forward pass it is."""
UNTRACED = "untraced"
"""In the graph's `meta`: name -> reason, of the modules that add and could not be traced."""
_ROOT = "network"
_OWN = (f"{nn.Module.__module__.partition('.')[0]}.", f"{__name__.partition('.')[0]}.")
"""What the names of modules of torch and of this package begin with."""
_IN_PLACE_OPERATORS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    operator.iadd: operator.add,
    operator.imul: operator.mul,
    operator.isub: operator.sub,
    operator.itruediv: operator.truediv,
}


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
    _drop_assertions(graph)
    whole = fx.GraphModule(parts, graph)
    whole.meta[UNTRACED] = untraced
    _dropouts_as_layers(whole)
    _out_of_place(whole, originals=set(network.modules()))
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
        tracer = _Tracer(opened, adding, images, whole_functions)
        try:
            return tracer.trace(logits), untraced
        except Exception as error:  # whatever a forward pass raises that is not made for tracing
            closed = tracer.failed_in
            function = None if closed in adding else _function_under_way(error)
            if function is not None and function not in whole_functions:
                whole_functions.append(function)
                continue
            reason = f"{type(error).__name__}: {(str(error).splitlines() or ['none'])[0]}"
            if not closed:
                raise ResablateError(f"its forward pass cannot be traced ({reason})") from None
            untraced |= {name: reason for name in adding if _within(name, closed)}
            opened = {name for name in opened if not _within(name, closed)}


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
        return output if isinstance(output, Tensor | fx.Proxy) else output.logits


@final
class _Typed(fx.Proxy):
    """An activation whose type and place are known, so that a forward pass may compare them.

    Where modules add, whatever is converted follows the type that it has when it runs.
    """

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
    def __init__(
        self, opened: Collection[str], adding: Collection[str], images: Tensor, functions: Collection[FunctionType]
    ) -> None:
        super().__init__(autowrap_functions=tuple(functions))
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

    Where it calls others, the outermost.
    """
    found: FunctionType | None = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code is _Tracer.call_module.__code__:
            found = None
        if found or f"{frame.f_globals.get('__name__')}.".startswith(_OWN):
            continue
        named = frame.f_globals.get(frame.f_code.co_name)
        if isinstance(named, FunctionType) and inspect.unwrap(named).__code__ is frame.f_code:
            found = named
    return found


def _name_of(path: str) -> str:
    return path.removeprefix(_ROOT).removeprefix(".")


def _drop_assertions(graph: fx.Graph) -> None:
    for node in reversed(list(graph.nodes)):
        if node.op == "call_function" and getattr(node.target, "__name__", "") in ("_assert", "_check"):
            graph.erase_node(node)


def _dropouts_as_layers(whole: fx.GraphModule) -> None:
    """Dropout that follows the mode: the function was told the mode of the network while it was traced."""
    for count, node in enumerate(whole.graph.nodes):
        if node.op == "call_function" and node.target is functional.dropout:
            chance: Any = node.kwargs.get("p", node.args[1] if len(node.args) > 1 else 0.5)
            name = f"dropout_{count}"
            whole.add_module(name, nn.Dropout(chance).eval())
            node.op, node.target, node.args, node.kwargs = "call_module", name, node.args[:1], {}


def _out_of_place(whole: fx.GraphModule, *, originals: Collection[nn.Module]) -> None:
    """What changes a tensor gives a new one instead, which whoever used the old one later uses."""
    for node in list(whole.graph.nodes):
        if not node.args or not isinstance(node.args[0], fx.Node) or not _made_pure(whole, node, originals):
            continue
        changed, seen = node.args[0], False
        for later in whole.graph.nodes:
            if seen:
                later.replace_input_with(changed, node)
            seen = seen or later is node
    whole.recompile()


def _made_pure(whole: fx.GraphModule, node: fx.Node, originals: Collection[nn.Module]) -> bool:
    """Whether `node` acted in place; it does not any more."""
    if node.op == "call_function" and callable(node.target) and node.target in _IN_PLACE_OPERATORS:
        node.target = _IN_PLACE_OPERATORS[node.target]
    elif node.op == "call_function" and node.kwargs.get("inplace"):
        node.kwargs = {**node.kwargs, "inplace": False}
    elif node.op == "call_function" and node.target is functional.relu_:
        node.target = functional.relu
    elif node.op == "call_method" and str(node.target).endswith("_") and not str(node.target).endswith("__"):
        node.target = str(node.target).rstrip("_")
    elif node.op == "call_module" and getattr(module := whole.get_submodule(str(node.target)), "inplace", False):
        parent, _, name = str(node.target).rpartition(".")
        if whole.get_submodule(parent) in originals:  # it is called whole elsewhere
            return False
        copied = copy.copy(module)
        vars(copied)["inplace"] = False
        setattr(whole.get_submodule(parent), name, copied)
    else:
        return False
    return True
