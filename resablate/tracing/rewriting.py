"""A traced graph written otherwise, so that it computes the same and can be taken apart."""

from __future__ import annotations

import copy
import math
import operator
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

PLACE = "place"
"""In a node's `meta`: the module in whose own forward pass it is."""
_SUBTRACTIONS = (operator.sub, torch.sub, torch.subtract, "sub", "subtract")
ADDITIONS = (operator.add, torch.add, "add")
"""What adds, in a graph in which nothing acts in place."""
_TERMS = 2
_POWER_OF_TWO = 0.5
"""What `frexp` gives of it."""
_IN_PLACE_OPERATORS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    operator.iadd: operator.add,
    operator.imul: operator.mul,
    operator.isub: operator.sub,
    operator.itruediv: operator.truediv,
}


def drop_assertions(graph: fx.Graph) -> None:
    """Leave out what asserts something of sizes."""
    for node in reversed(list(graph.nodes)):
        if node.op == "call_function" and getattr(node.target, "__name__", "") in ("_assert", "_check"):
            graph.erase_node(node)


def dropouts_as_layers(whole: fx.GraphModule) -> None:
    """Dropout that follows the mode: the function was told the mode of the network while it was traced."""
    for count, node in enumerate(whole.graph.nodes):
        if node.op == "call_function" and node.target is functional.dropout:
            chance: Any = node.kwargs.get("p", node.args[1] if len(node.args) > 1 else 0.5)
            name = f"dropout_{count}"
            whole.add_module(name, nn.Dropout(chance).eval())
            node.op, node.target, node.args, node.kwargs = "call_module", name, node.args[:1], {}


def out_of_place(whole: fx.GraphModule, *, originals: Collection[nn.Module]) -> None:
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


def sums_as_plain_additions(whole: fx.GraphModule, adding: Collection[str]) -> None:
    """Write x - y as x + (-y), and x + alpha * y as a product and a sum, where both give the same number.

    Torch adds alpha * y in one rounding, and only a power of two gives the same in two steps; another alpha is left.
    """
    for node in list(whole.graph.nodes):
        terms = [*node.args, *([node.kwargs["other"]] if "other" in node.kwargs else [])]
        of_nodes = len(terms) == _TERMS and all(isinstance(term, fx.Node) for term in terms)
        subtracts = node.target in _SUBTRACTIONS
        alpha: Any = node.kwargs.get("alpha", 1)
        known = isinstance(alpha, int | float) and set(node.kwargs) <= {"other", "alpha"}
        if not (known and of_nodes and node.meta[PLACE] in adding and (subtracts or node.target in ADDITIONS)):
            continue
        factor = -alpha if subtracts else alpha
        exact = abs(math.frexp(factor)[0]) == _POWER_OF_TWO
        kept = {} if exact else {"alpha": factor}
        if exact:
            terms[1] = _scaled(whole.graph, node, terms[1], factor=factor)
        node.op, node.target, node.args = "call_function", torch.add if kept else operator.add, tuple(terms)
        node.kwargs = kept
    whole.recompile()


def _scaled(graph: fx.Graph, before: fx.Node, term: fx.Node, *, factor: float) -> fx.Node:
    """The product, as a node of the place of `before`."""
    if factor == 1:
        return term
    with graph.inserting_before(before):
        scaled = graph.call_function(*((operator.neg, (term,)) if factor == -1 else (operator.mul, (term, factor))))
    scaled.meta[PLACE] = before.meta[PLACE]
    return scaled


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
