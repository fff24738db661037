"""Variants that share their beginnings against running each alone."""

import itertools
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from resablate.model import ResidualNetwork, Route, Step, run_variants, without
from resablate.model.block import ShortcutBlock
from tests.networks import ORDER_NAMES, SHORTCUT_NAMES, make_images, make_network

NETWORK = make_network(depth=14, dtype=torch.float32)


def _alone(network: ResidualNetwork, images: Tensor, variant: tuple[Step, ...]) -> Tensor:
    x = network.stem(images)
    for block, route in variant:
        x = network.chain[block](x, route)
    return network.head(x)


def _assert_equal_bits(network: ResidualNetwork, variants: list[tuple[Step, ...]]) -> None:
    images, _ = make_images(5, dtype=torch.float32)
    seen: list[int] = []
    with torch.inference_mode():
        for members, logits in run_variants(network, images, variants):
            seen += members
            for member in members:
                assert torch.equal(logits, _alone(network, images, variants[member]))
    assert sorted(seen) == list(range(len(variants)))


@pytest.mark.parametrize("ordering", ORDER_NAMES)
@pytest.mark.parametrize("shortcut", SHORTCUT_NAMES)
def test_every_set_of_blocks_has_the_bits_of_running_it_alone(shortcut: str, ordering: str) -> None:
    network = make_network(shortcut=shortcut, ordering=ordering, dtype=torch.float32)
    sets = [blocks for size in range(4) for blocks in itertools.combinations(range(3), size)]
    _assert_equal_bits(network, [without(network, blocks) for blocks in sets])


@given(st.lists(st.sets(st.integers(0, 5)), min_size=1, max_size=12))
def test_any_sets_in_any_order_and_repeated(sets: list[set[int]]) -> None:
    _assert_equal_bits(NETWORK, [without(NETWORK, list(blocks)) for blocks in sets])


def test_other_orders_of_blocks() -> None:
    orders = [(0, 1, 2, 3, 4, 5), (1, 0, 2, 3, 4, 5), (0, 1, 2, 3, 4, 5), (0, 0, 2, 5, 4, 3)]
    network = make_network(shortcut="none", network="vgg", depth=7, width=2, in_channels=2, dtype=torch.float32)
    images, _ = make_images(2, channels=2, dtype=torch.float32)
    variants = [[(block, Route.BOTH) for block in order] for order in orders]
    for members, logits in run_variants(network, images, variants):
        assert all(torch.equal(logits, _alone(network, images, tuple(variants[m]))) for m in members)


def test_each_beginning_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[int] = Counter()
    whole = ShortcutBlock.forward

    def counted(self: ShortcutBlock, x: Tensor, route: Route = Route.BOTH) -> Tensor:
        calls[NETWORK.chain.index(self)] += 1
        return whole(self, x, route)

    monkeypatch.setattr(ShortcutBlock, "forward", counted)
    images, _ = make_images(1, dtype=torch.float32)
    list(run_variants(NETWORK, images, [without(NETWORK, [i]) for i in range(6)] + [without(NETWORK, [])]))
    # Block i is run for the whole network, without its branch, and for each lesion before it.
    assert calls == {i: 2 + i for i in range(6)}


def test_waiting_activations_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of n variants at most log2(n) wait, besides what the running block takes and gives."""
    alive: list[int] = []
    live = 0
    whole = ShortcutBlock.forward

    class Counted(torch.Tensor):
        def __del__(self) -> None:
            nonlocal live
            live -= 1

    def counted(self: ShortcutBlock, x: Tensor, route: Route = Route.BOTH) -> Tensor:
        nonlocal live
        y = whole(self, x.as_subclass(torch.Tensor), route).as_subclass(Counted)
        live += 1
        alive.append(live)
        return y

    monkeypatch.setattr(ShortcutBlock, "forward", counted)
    images, _ = make_images(1, dtype=torch.float32)
    network = make_network(depth=62, dtype=torch.float32)
    singles = [without(network, [i]) for i in range(30)]
    with torch.inference_mode():
        for _ in run_variants(network, images, singles):
            pass
    assert max(alive) <= 3
    alive.clear()
    pairs = [without(network, pair) for pair in itertools.combinations(range(30), 2)]
    with torch.inference_mode():
        for _ in run_variants(network, images, pairs):
            pass
    assert max(alive) <= 2 + 9  # log2 of 435 pairs is 8.8
