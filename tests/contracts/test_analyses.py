"""What every analysis owes to the network it is given, for every shortcut and ordering."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resablate.analyses import ANALYSES
from resablate.measurement import AnalysisResult
from resablate.model import Block, ResidualNetwork
from tests.networks import ORDER_NAMES, SHORTCUT_NAMES, make_examples, make_generator, make_network

CASES = [(s, o) for s in SHORTCUT_NAMES for o in ORDER_NAMES]


def _run(name: str, network: ResidualNetwork, seed: int = 0) -> AnalysisResult:
    return ANALYSES[name].run(network, make_examples(), generator=make_generator(seed))


def _state(network: nn.Module) -> dict[str, Any]:
    tensors: dict[str, Tensor] = {name: value.clone() for name, value in network.state_dict().items()}
    return {
        "tensors": tensors,
        "modes": [module.training for module in network.modules()],
        "hooks": [
            (len(m._forward_hooks), len(m._backward_hooks), len(m._forward_pre_hooks)) for m in network.modules()
        ],
        "gradients": [(p.requires_grad, p.grad is None) for p in network.parameters()],
        "survival": [block.survival for block in network.modules() if isinstance(block, Block)],
        "random": torch.get_rng_state().clone(),
        "grad_enabled": torch.is_grad_enabled(),
    }


def _assert_unchanged(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert before["tensors"].keys() == after["tensors"].keys()
    assert all(torch.equal(value, after["tensors"][name]) for name, value in before["tensors"].items())
    assert torch.equal(before["random"], after["random"])
    for part in ("modes", "hooks", "gradients", "survival", "grad_enabled"):
        assert before[part] == after[part], part


def _half_trained(**fields: str) -> ResidualNetwork:
    """A network with mixed modes: training, but for one module; and with blocks that were left out at times."""
    network = make_network(**fields)
    for block, survival in zip(network.chain, (0.9, 1.0, 0.6), strict=True):
        block.survival = survival
    network.train()
    network.head.eval()
    return network


@pytest.mark.parametrize(("shortcut", "ordering"), CASES)
@pytest.mark.parametrize("name", ANALYSES)
def test_nothing_is_left_behind(name: str, shortcut: str, ordering: str) -> None:
    network = _half_trained(shortcut=shortcut, ordering=ordering)
    before = _state(network)
    result = _run(name, network)
    _assert_unchanged(before, _state(network))
    assert all(math.isfinite(value) for value in result.summary.values())


@pytest.mark.parametrize("call", [1, 2, 3, 6])
@pytest.mark.parametrize("name", ANALYSES)
def test_nothing_is_left_behind_by_a_failure(name: str, call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = _half_trained()
    before = _state(network)
    branch = network.chain[1].branch
    calls = 0
    whole = type(branch).forward

    def fail(self: nn.Module, x: Tensor) -> Tensor:
        nonlocal calls
        calls += self is branch
        if calls == call:
            raise RuntimeError("in the middle")
        return whole(self, x)

    monkeypatch.setattr(type(branch), "forward", fail)
    examples = make_examples(600)
    try:
        ANALYSES[name].run(network, examples, generator=make_generator())
    except RuntimeError as error:
        assert str(error) == "in the middle"
    else:
        assert calls < call, "an analysis of a failing network cannot end well"
    _assert_unchanged(before, _state(network))


@pytest.mark.parametrize("name", ANALYSES)
def test_the_generator_decides(name: str) -> None:
    network = make_network()
    first, again, other = _run(name, network), _run(name, network), _run(name, network, seed=1)
    assert repr(first) == repr(again)
    assert first.table.keys() == other.table.keys()


@pytest.mark.parametrize("name", ANALYSES)
def test_curves_have_whole_steps_and_units(name: str) -> None:
    """AnalysisResult checks lengths and units itself; MLflow takes the axis as its step."""
    result = _run(name, make_network())
    assert result.axes
    for column, axis in result.axes.items():
        assert [int(value) for value in result.table[axis]] == list(result.table[axis])
        assert column not in result.summary
    assert len(result.frame()) == len(next(iter(result.table.values())))
    assert list(result.frame().columns) == list(result.table)
