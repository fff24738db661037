"""Batch norm's statistics before the first step."""

import torch
from torch import nn

from resablate.datasets import Examples
from resablate.model import build_network
from resablate.training import calibrated
from tests.networks import make_generator


def test_an_untrained_network_normalizes_as_it_would_in_a_batch() -> None:
    images = torch.randn(256, 1, 8, 8, generator=make_generator())
    examples = Examples(images, torch.zeros(256, dtype=torch.int64))
    network = build_network(depth=20, width=4, in_channels=1, generator=make_generator(1))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    ready = calibrated(network, examples)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert ready.training
    with torch.no_grad():
        torch.testing.assert_close(ready.eval()(images), network.train()(images), rtol=0.02, atol=0.01)
        assert not torch.allclose(ready(images), network.eval()(images), rtol=0.5)
    assert [m.momentum for m in ready.modules() if isinstance(m, nn.BatchNorm2d)] == [0.1] * 19


def test_a_last_batch_of_one_is_left_out() -> None:
    images = torch.randn(257, 1, 8, 8, generator=make_generator())
    examples = Examples(images, torch.zeros(257, dtype=torch.int64))
    network = build_network(depth=8, width=2, in_channels=1, generator=make_generator(1))
    with_one, without = calibrated(network, examples), calibrated(network, examples.take(slice(256)))
    assert all(torch.equal(value, without.state_dict()[name]) for name, value in with_one.state_dict().items())
