"""All 2^n routes against the ordinary gradient, and lesions against the whole network."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from resablate.model import ResidualNetwork, Route, gradients_by_length, path_gradients, paths
from resablate.orderings import ORDERINGS
from resablate.shortcuts import SHORTCUTS
from tests.networks import make_images, make_network, relative_gap

EXACT = 1e-12
BRANCH, SHORTCUT = Route.GRADIENT_BY_BRANCH, Route.GRADIENT_BY_SHORTCUT

every_network = pytest.mark.parametrize(
    ("shortcut", "ordering"),
    [pytest.param(*pair, id="-".join(pair)) for pair in itertools.product(SHORTCUTS, ORDERINGS)],
)


def gradient(network: ResidualNetwork, images: Tensor, labels: Tensor) -> Tensor:
    """By autograd alone: nothing of ours but the forward pass."""
    leaf = images.clone().requires_grad_()
    functional.cross_entropy(network(leaf), labels, reduction="sum").backward()
    assert leaf.grad is not None
    network.zero_grad()
    return leaf.grad


def path_by_hand(network: ResidualNetwork, images: Tensor, labels: Tensor, routes: tuple[Route, ...]) -> Tensor:
    """One path's gradient from the addends, without `Route`'s own code in the blocks."""
    leaf = images.clone().requires_grad_()
    x = network.stem(leaf)
    for block, route in zip(network.chain, routes, strict=True):
        carried, added = block.addends(x)
        x = block.after_add(carried.detach() + added if route is BRANCH else carried + added.detach())
    loss = functional.cross_entropy(network.head(x), labels, reduction="sum")
    (found,) = torch.autograd.grad(loss, leaf, allow_unused=True) if loss.requires_grad else (None,)
    return torch.zeros_like(images) if found is None else found


@every_network
def test_all_routes_sum_to_the_ordinary_gradient(shortcut: str, ordering: str) -> None:
    network = make_network(shortcut=shortcut, ordering=ordering)
    images, labels = make_images()
    ordinary = gradient(network, images, labels)
    paths = list(itertools.product((BRANCH, SHORTCUT), repeat=len(network.chain)))
    assert len(paths) == 8
    total = sum((path_gradients(network, images, labels, routes=path) for path in paths), torch.zeros_like(images))
    assert ordinary.abs().max() > 1e-3
    assert relative_gap(total, ordinary) < EXACT
    assert relative_gap(path_gradients(network, images, labels, routes=None), ordinary) < EXACT


@every_network
def test_gradients_by_length_are_the_sums_over_all_paths(shortcut: str, ordering: str) -> None:
    network = make_network(shortcut=shortcut, ordering=ordering)
    images, labels = make_images()
    by_hand = torch.zeros(4, *images.shape, dtype=torch.float64)
    for path in itertools.product((BRANCH, SHORTCUT), repeat=3):
        by_hand[path.count(BRANCH)] += path_by_hand(network, images, labels, path)
    exact = gradients_by_length(network, images, labels)
    assert exact.shape == by_hand.shape
    scale = by_hand.abs().max()
    assert float((exact - by_hand).abs().max() / scale) < EXACT
    assert relative_gap(exact.sum(0), gradient(network, images, labels)) < EXACT
    if shortcut == "none":
        assert not exact[:3].any(), "a plain network has one path, the longest"
    else:
        assert all(length.abs().max() > 0 for length in exact)


def test_a_deeper_chain_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    network = make_network(shortcut="exclusive_gate", ordering="full_preactivation", depth=20)
    images, labels = make_images(2)
    by_hand = torch.zeros(10, *images.shape, dtype=torch.float64)
    for path in itertools.product((BRANCH, SHORTCUT), repeat=9):
        by_hand[path.count(BRANCH)] += path_by_hand(network, images, labels, path)
    whole = gradients_by_length(network, images, labels)
    assert relative_gap(whole, by_hand) < EXACT
    monkeypatch.setattr(paths, "_PIECE_NUMBERS", {"cpu": 1000})
    assert relative_gap(gradients_by_length(network, images, labels), whole) < EXACT


def test_examples_do_not_couple() -> None:
    network = make_network().train()
    images, labels = make_images(4)
    together = gradients_by_length(network, images, labels)
    alone = gradients_by_length(network, images[1:2], labels[1:2])
    assert relative_gap(together[:, 1:2], alone) < EXACT


def test_a_route_changes_the_gradient_and_not_the_value() -> None:
    network = make_network()
    images, labels = make_images()
    one = path_gradients(network, images, labels, routes=[BRANCH, SHORTCUT, SHORTCUT])
    two = path_gradients(network, images, labels, routes=[SHORTCUT, SHORTCUT, BRANCH])
    assert relative_gap(one, two) > 0.1
    assert torch.equal(network(images, [BRANCH, SHORTCUT, SHORTCUT]), network(images))


@every_network
def test_a_branch_of_zeros_is_not_missed(shortcut: str, ordering: str) -> None:
    """Without its branch a block does what it did when the branch gave nothing."""
    network = make_network(shortcut=shortcut, ordering=ordering)
    images, _ = make_images()
    block = 2
    with torch.no_grad():
        for parameter in network.chain[block].branch.parameters():
            parameter.zero_()
        for buffer in network.chain[block].branch.buffers():
            if buffer.is_floating_point():
                buffer.zero_()
    lesioned = network(images, [Route.BOTH, Route.BOTH, Route.SHORTCUT_ONLY])
    if shortcut == "none":
        assert not torch.equal(lesioned, network(images)), "a plain network connects the neighbors instead"
    else:
        assert torch.equal(lesioned, network(images))


def test_a_removed_branch_is_not_computed() -> None:
    network = make_network()
    images, _ = make_images()
    network.chain[1].branch.register_forward_pre_hook(lambda *_: pytest.fail("the branch was computed"))
    network(images, [Route.BOTH, Route.SHORTCUT_ONLY, Route.BOTH])
