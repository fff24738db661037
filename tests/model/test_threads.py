"""Threads that each compute on one core: the same numbers in the same order, and torch as it was."""

import pytest
import torch

from resablate.model import gradients_by_length
from resablate.model.threads import on_threads
from resablate.training import thread_count
from tests.networks import make_images, make_network, relative_gap


def test_results_come_in_order_and_every_thread_has_one_core() -> None:
    with thread_count(3):
        found = on_threads(2, lambda part: (part, torch.get_num_threads()), list(range(7)))
        assert torch.get_num_threads() == 3
        assert on_threads(1, lambda part: torch.get_num_threads(), [0]) == [3]
    assert found == [(part, 1) for part in range(7)]


def test_what_fails_in_a_thread_fails_here() -> None:
    with thread_count(2), pytest.raises(ZeroDivisionError):
        on_threads(2, lambda part: 1 // part, [1, 0, 1])


def test_paths_do_not_depend_on_the_number_of_threads() -> None:
    network = make_network(depth=14, width=4)
    images, labels = make_images(5)
    alone = gradients_by_length(network, images, labels)
    with thread_count(3):
        beside = gradients_by_length(network, images, labels)
    # Batches of other sizes may be summed in another order.
    assert relative_gap(beside, alone) < 1e-12
