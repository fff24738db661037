"""A graph as a stem, a chain of blocks and a head, taken apart where it adds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn

from resablate.errors import ResablateError
from resablate.model.network import ResidualNetwork
from resablate.tracing.adapted_block import AdaptedBlock
from resablate.tracing.graph import UNTRACED
from resablate.tracing.pieces import Pieces
from resablate.tracing.rewriting import ADDITIONS, PLACE
from resablate.tracing.values import Values

_WEIGHTY = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


@dataclass(frozen=True)
class _Addition:
    """Between two cuts: what is carried and what is added."""

    start: fx.Node
    carried: fx.Node
    added: fx.Node
    sum: fx.Node


def split(whole: fx.GraphModule, images: Tensor) -> ResidualNetwork:
    """`whole` as a residual network of the same modules.

    The graph is cut wherever a single activation is under way. Between two cuts there is one operation, or two sides
    that meet: a block where they meet in an addition of equal shapes. The side of fewer layers is carried. What
    follows an addition in the same module, keeps its shape and convolves nothing acts on the sum; what comes before the
    next one is that one's entry.

    Args:
        whole: by `trace`.
        images: (2, ...) of what the network takes.

    Raises:
        ResablateError: if activations pass beside each other otherwise; the message names the module.
    """
    values = Values(whole, images)
    cuts = _cuts(values)
    additions = [
        found
        for start, stop in itertools.pairwise(cuts)
        if (found := _addition_between(whole, values, start, stop)) is not None
    ]
    if not additions:
        raise ResablateError("no addition of a carried activation and a branch of it")
    pieces = Pieces(whole, values)
    behind = [_behind(whole, values, cuts, addition) for addition in additions]
    ends = [cuts[0], *behind]
    first = _start_of_first(cuts, additions[0])
    blocks = [
        _block(pieces, values, addition, start=first if index == 0 else ends[index], end=behind[index])
        for index, addition in enumerate(additions)
    ]
    return ResidualNetwork(
        stem=pieces.between(cuts[0], first), blocks=blocks, head=pieces.between(behind[-1], cuts[-1])
    )


def _block(pieces: Pieces, values: Values, addition: _Addition, *, start: fx.Node, end: fx.Node) -> AdaptedBlock:
    match = pieces.between(addition.start, addition.carried)
    return AdaptedBlock(
        entry=pieces.between(start, addition.start),
        branch=pieces.between(addition.start, addition.added),
        match=match,
        after_add=pieces.between(addition.sum, end),
        changes_dimension=values.shape(start) != values.shape(end),
        place=addition.sum.meta[PLACE],
    )


def _cuts(values: Values) -> list[fx.Node]:
    """The nodes that everything passes, the images first and the logits last."""
    last: dict[fx.Node, int] = {}
    for place, node in enumerate(values.order):
        if node in values.of_images:  # a size is no activation, and does not keep one
            last.update(dict.fromkeys([node, *node.all_input_nodes], place))
    last[values.logits] = len(values.order)
    found: list[fx.Node] = []
    alive: set[fx.Node] = set()
    for place, node in enumerate(values.order):
        if node in values.of_images:
            alive = {other for other in alive if last[other] > place} | {node}
            if alive == {node} and values.is_tensor(node):
                found.append(node)
    return found


def _addition_between(whole: fx.GraphModule, values: Values, start: fx.Node, stop: fx.Node) -> _Addition | None:
    """What stands between two cuts that follow each other; None where it is no block.

    Raises:
        ResablateError: if there are additions, but not as the last operation.
    """
    inside = values.between(start, stop)
    sides = _sides(values, stop)
    if sides is None:
        hidden = [node for node in inside if _sides(values, node) and values.shape(node) != values.shape(values.logits)]
        if hidden:
            raise ResablateError(
                f"no chain of blocks: {_at(hidden[0])} adds activations that pass beside others from {_at(start)} to"
                f" {_at(stop)}"
            )
        for place, reason in _untraced(whole, inside):
            raise ResablateError(f"{place} adds activations in a way that cannot be traced: {reason}")
        return None
    if any(start in (_sides(values, side) or ()) for side in sides):
        raise ResablateError(f"{_at(stop)} adds more than two activations one after another: carried + (one + another)")
    weights = [_weight(whole, values, start, side) for side in sides]
    if weights[0] == weights[1]:
        if values.shape(stop) == values.shape(values.logits):
            return None
        raise ResablateError(f"{_at(stop)} adds two branches of equally many layers, none of which is a shortcut")
    carried, added = sides if weights[0] < weights[1] else sides[::-1]
    if any(_sides(values, node) for node in values.between(start, carried)):
        raise ResablateError(f"no chain of blocks: {_at(stop)} adds two branches, both of which add activations")
    return _Addition(start, carried, added, stop)


def _untraced(whole: fx.GraphModule, nodes: Sequence[fx.Node]) -> Iterator[tuple[str, str]]:
    """The modules that add, and are called whole because they could not be traced, in calls of `nodes`."""
    closed: Mapping[str, str] = whole.meta[UNTRACED]
    for node in nodes:
        called = f"{node.target}."
        yield from (item for item in closed.items() if node.op == "call_module" and f"{item[0]}.".startswith(called))


def _sides(values: Values, node: fx.Node) -> tuple[fx.Node, fx.Node] | None:
    """The two activations of one shape that `node` adds, if it does."""
    if node.op not in ("call_function", "call_method") or node.target not in ADDITIONS or set(node.kwargs) - {"alpha"}:
        return None
    operands = [operand for operand in node.args if isinstance(operand, fx.Node) and operand in values.of_images]
    if len(operands) != 2 or any(values.shape(operand) != values.shape(node) for operand in operands):  # noqa: PLR2004
        return None
    if "alpha" in node.kwargs:
        alpha: Any = node.kwargs["alpha"]
        raise ResablateError(
            f"{_at(node)} adds with alpha={alpha}, product and sum in one rounding, which no sum of two sides gives bit"
            f" for bit: write x + {alpha} * y"
        )
    return operands[0], operands[1]


def _weight(whole: fx.GraphModule, values: Values, start: fx.Node, side: fx.Node) -> tuple[int, int]:
    """How much a side does: its layers and operations, and its parameters."""
    modules: list[nn.Module] = []
    nodes = values.between(start, side) if side is not start else []
    for node in nodes:
        if node.op == "call_module":
            modules += [m for m in whole.get_submodule(str(node.target)).modules() if not list(m.children())]
    plain = sum(node.op != "call_module" for node in nodes)
    return plain + len(modules), sum(p.numel() for module in modules for p in module.parameters())


def _behind(whole: fx.GraphModule, values: Values, cuts: Sequence[fx.Node], addition: _Addition) -> fx.Node:
    """The last cut of what acts on the sum."""
    end = addition.sum
    for cut in cuts[cuts.index(addition.sum) + 1 :]:
        same = cut.meta[PLACE] == addition.sum.meta[PLACE] and values.shape(cut) == values.shape(addition.sum)
        if not same or _sides(values, cut) or _convolves(whole, values, end, cut):
            return end
        end = cut
    return end


def _convolves(whole: fx.GraphModule, values: Values, start: fx.Node, stop: fx.Node) -> bool:
    called = [node for node in values.between(start, stop) if node.op == "call_module"]
    modules = [m for node in called for m in whole.get_submodule(str(node.target)).modules()]
    return len(values.between(start, stop)) > 1 or any(isinstance(m, _WEIGHTY) for m in modules)


def _start_of_first(cuts: Sequence[fx.Node], addition: _Addition) -> fx.Node:
    """The first cut before the first block whose followers belong to the block's own module."""
    start = addition.start
    place = addition.sum.meta[PLACE]
    for cut in reversed(cuts[: cuts.index(addition.start) + 1]):
        if not place or cut.meta[PLACE] != place:
            return cut
        start = cut
    return start


def _at(node: fx.Node) -> str:
    place: Any = node.meta.get(PLACE)
    return str(place) if place else f"its forward ({node.name})"
