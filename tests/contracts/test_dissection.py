"""Every way to build a residual network is dissected exactly: its paths and its lesions, at the least depth."""

import itertools

import pytest

from resablate.analyses import lesion
from resablate.model import BLOCKS, TRANSITIONS, gradients_by_length, path_gradients
from tests.analyses.lesions import assert_bits_of_whole_runs
from tests.contracts.leftovers import assert_unchanged, half_trained, state_of
from tests.networks import ORDER_NAMES, SHORTCUT_NAMES, make_examples, relative_gap, smallest_depth

EXACT = 1e-12


@pytest.mark.parametrize(("block", "transition", "ordering"), list(itertools.product(BLOCKS, TRANSITIONS, ORDER_NAMES)))
@pytest.mark.parametrize("shortcut", SHORTCUT_NAMES)
def test_paths_and_lesions_are_exact(shortcut: str, ordering: str, block: str, transition: str) -> None:
    network = half_trained(
        shortcut=shortcut,
        ordering=ordering,
        block=block,
        transition=transition,
        depth=smallest_depth(block, transition),
    )
    examples = make_examples(2)
    before = state_of(network)

    sums = gradients_by_length(network, examples.images, examples.labels)
    assert_unchanged(before, state_of(network))
    whole = path_gradients(network, examples.images, examples.labels, routes=None)
    assert_unchanged(before, state_of(network))
    result = lesion(network, examples)
    assert_unchanged(before, state_of(network))

    assert len(sums) == len(network.chain) + 1
    assert whole.norm() > 0
    assert relative_gap(sums.sum(0), whole) < EXACT
    assert_bits_of_whole_runs(result, network.eval(), examples)
