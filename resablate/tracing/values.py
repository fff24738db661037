"""What the nodes of a graph are: activations, sizes, or constants."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor, fx


@final
class Values:
    """What every node of `whole` gives for two images and for three.

    Args:
        whole: in eval mode.
        images: two.

    Attributes:
        order: the nodes.
        of_images: those that hold an activation: a tensor, or several, that come of the images.
        images: the first.
        logits: what the graph returns.
    """

    def __init__(self, whole: fx.GraphModule, images: Tensor) -> None:
        self.order: list[fx.Node] = [node for node in whole.graph.nodes if node.op != "output"]
        self.images = self.order[0]
        output = next(node for node in whole.graph.nodes if node.op == "output")
        self.logits: fx.Node = output.args[0]
        self._seen = [_Recorder(whole).record(x) for x in (images, torch.cat([images, images[:1]]))]
        self.batches = [len(images), len(images) + 1]
        self._depends: set[fx.Node] = {self.images}
        for node in self.order:
            if any(used in self._depends for used in node.all_input_nodes):
                self._depends.add(node)
        # A tensor that is made of their size alone, as angles of positions are, is none.
        self.of_images: set[fx.Node] = {self.images}
        for node in self.order:
            if _holds_tensor(self._seen[0][node]) and any(used in self.of_images for used in node.all_input_nodes):
                self.of_images.add(node)

    def depends(self, node: fx.Node) -> bool:
        """Whether `node` comes of the images: an activation, or their number or size."""
        return node in self._depends

    def is_made_of_sizes(self, node: fx.Node) -> bool:
        """Whether `node` is a tensor, or several, that come of the images' number or size alone."""
        return node not in self.of_images and _holds_tensor(self._seen[0][node])

    def is_tensor(self, node: fx.Node) -> bool:
        """Whether `node` is one tensor."""
        return isinstance(self._seen[0][node], _Shape)

    def shape(self, node: fx.Node) -> tuple[int, ...] | None:
        """The shape of `node` for two images; None where it is no tensor."""
        seen = self._seen[0][node]
        return seen.shape if isinstance(seen, _Shape) else None

    def plain(self, node: fx.Node) -> list[Any]:
        """What `node`, a size or a number, was for the two numbers of images."""
        return [seen[node] for seen in self._seen]

    def between(self, start: fx.Node, stop: fx.Node) -> list[fx.Node]:
        """The nodes with an activation that `stop` needs behind `start`, `stop` among them."""
        needed: set[fx.Node] = set()
        waiting = [stop]
        while waiting:
            node = waiting.pop()
            if node is not start and node not in needed and node in self.of_images:
                needed.add(node)
                waiting += node.all_input_nodes
        return [node for node in self.order if node in needed]


class _Shape:
    """What is kept of a tensor."""

    def __init__(self, tensor: Tensor) -> None:
        self.shape = tuple(tensor.shape)


def _kept(value: Any) -> Any:
    if isinstance(value, Tensor):
        return _Shape(value)
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, list | tuple):
        return tuple(_kept(part) for part in value)
    return value


def _holds_tensor(kept: Any) -> bool:
    return isinstance(kept, _Shape) or (isinstance(kept, tuple) and any(_holds_tensor(part) for part in kept))


class _Recorder(fx.Interpreter):
    """Runs a graph and keeps the shapes of its tensors and its numbers."""

    def __init__(self, whole: fx.GraphModule) -> None:
        super().__init__(whole)
        self._seen: dict[fx.Node, Any] = {}

    def record(self, images: Tensor) -> dict[fx.Node, Any]:
        """What every node gave."""
        with torch.no_grad():
            self.run(images)
        return self._seen

    def run_node(self, n: fx.Node) -> Any:
        """The node's value."""
        value = super().run_node(n)
        self._seen[n] = _kept(value)
        return value
