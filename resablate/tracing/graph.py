"""A network's forward pass as a graph: the modules that add activations are traced, all others are called whole."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast, final

from torch import Tensor, fx, nn
from torch.nn import functional

from resablate.errors import ResablateError

PLACE = "place"
"""In a node's `meta`: the module in whose own forward pass it is."""
UNTRACED = "untraced"
"""In the graph's `meta`: name -> reason, of the modules that add and could not be traced."""
_ROOT = "network"
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
            cannot be traced is called whole after all.
        images: of the type, and on the device, of what it takes.

    Returns:
        Every node's `meta["place"]` is the name of the module whose forward pass it belongs to; the graph's
        `meta["untraced"]` says which adding modules are called whole, and why.

    Raises:
        ResablateError: if the network's own forward pass cannot be traced.
    """
    opened = {""}
    for name in adding:
        words = name.split(".")
        opened |= {".".join(words[:count]) for count in range(len(words) + 1)}
    untraced: dict[str, str] = {}
    while True:
        logits = _Logits(network)
        tracer = _Tracer(opened, adding, images)
        try:
            graph = tracer.trace(logits)
            break
        except Exception as error:  # whatever a forward pass raises that is not made for tracing
            closed, reason = tracer.failed_in, f"{type(error).__name__}: {(str(error).splitlines() or ['none'])[0]}"
            if not closed:
                raise ResablateError(f"its forward pass cannot be traced ({reason})") from None
            untraced |= {name: reason for name in adding if _within(name, closed)}
            opened = {name for name in opened if not _within(name, closed)}
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
