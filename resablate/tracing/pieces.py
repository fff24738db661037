"""Pieces of a graph as modules."""

from __future__ import annotations

import copy
from typing import Any, final

import torch
from torch import fx, nn
from torch.nn import functional

from resablate.errors import ResablateError
from resablate.tracing.rewriting import PLACE
from resablate.tracing.values import Values


@final
class Pieces:
    """Cuts pieces out of the graph of a network.

    Args:
        whole: the graph, of the network's own modules.
        values: what its nodes are.
    """

    def __init__(self, whole: fx.GraphModule, values: Values) -> None:
        self._whole = whole
        self._values = values

    def between(self, start: fx.Node, stop: fx.Node) -> nn.Module:
        """What makes `stop` of `start`: layers in a row where it is that, else a module of the graph in between."""
        if start is stop:
            return nn.Identity()
        return self._row(start, stop) or self._graph(start, stop)

    def _row(self, start: fx.Node, stop: fx.Node) -> nn.Module | None:
        layers: list[nn.Module] = []
        before = start
        for node in self._values.between(start, stop):
            layer = self._layer(node, before)
            if layer is None:
                return None
            before = node
            if not _does_nothing(layer):
                layers.append(copy.copy(layer) if layer in layers else layer)
        if not layers:
            return nn.Identity()
        return layers[0] if len(layers) == 1 else nn.Sequential(*layers)

    def _layer(self, node: fx.Node, before: fx.Node) -> nn.Module | None:
        """The layer that `node` is, if it acts on `before` alone."""
        if node.all_input_nodes != [before] or not node.args or node.args[0] is not before:
            return None
        if node.op == "call_module" and len(node.args) == 1 and not node.kwargs:
            return self._whole.get_submodule(str(node.target))
        if node.op == "call_function" and node.target in (functional.relu, torch.relu):
            return nn.ReLU()
        flattens = (node.op, node.target) in (("call_function", torch.flatten), ("call_method", "flatten"))
        if flattens and node.args[1:] == (1,) and not node.kwargs:
            return nn.Flatten()
        return None

    def _graph(self, start: fx.Node, stop: fx.Node) -> fx.GraphModule:
        graph = fx.Graph()
        entered = graph.placeholder("x")
        copied: dict[fx.Node, Any] = {start: entered}
        inside = set(self._values.between(start, stop))

        def copy_of(node: fx.Node) -> Any:
            if node not in copied:
                if self._comes_from_outside(node, inside, start):
                    copied[node] = self._outside(graph, entered, node, start)
                else:
                    for used in node.all_input_nodes:
                        copy_of(used)
                    copied[node] = graph.node_copy(node, lambda used: copied[used])
            return copied[node]

        for node in self._values.order:  # in the network's order, so that draws of dropout are too
            if node in inside:
                copy_of(node)
        graph.output(copied[stop])
        return fx.GraphModule(self._whole, graph, class_name="Traced")

    def _comes_from_outside(self, node: fx.Node, inside: set[fx.Node], start: fx.Node) -> bool:
        """Whether `node` is a size, of a tensor that is not in the piece."""
        if not self._values.depends(node) or self._values.is_made_of_sizes(node):
            return False
        if node in self._values.of_images:
            return node not in inside and node is not start
        return any(self._comes_from_outside(used, inside, start) for used in node.all_input_nodes)

    def _outside(self, graph: fx.Graph, entered: fx.Node, node: fx.Node, start: fx.Node) -> Any:
        """A size from elsewhere: the number of images, or what it is whatever their number; or the type of all."""
        if node in self._values.of_images:
            raise ResablateError(
                f"{node.meta[PLACE] or 'its forward'} uses an activation of another block ({node.name})"
            )
        if node.target is getattr and node.args[1] in ("dtype", "device"):
            return graph.call_function(getattr, (entered, node.args[1]))
        shape = self._values.shape(start)
        batch: Any = None

        def known(two: Any, three: Any) -> Any:
            nonlocal batch
            if isinstance(two, tuple):
                return tuple(known(*parts) for parts in zip(two, three, strict=True))
            if two == three:
                return two
            if [two, three] == self._values.batches and shape and shape[0] == self._values.batches[0]:
                if batch is None:
                    batch = graph.call_method("size", (entered, 0))
                return batch
            raise ResablateError(f"{node.meta[PLACE] or 'its forward'} uses a size of another block ({node.name})")

        return known(*self._values.plain(node))


def _does_nothing(layer: nn.Module) -> bool:
    """The identity, also as a sequence of no layers, which is how some write the shortcut of equal shapes."""
    return type(layer) is nn.Identity or (type(layer) is nn.Sequential and all(map(_does_nothing, layer)))
