"""What every analysis owes to the network it is given, for every shortcut and ordering."""

import math
from fnmatch import fnmatchcase

import pytest
from torch import Tensor, nn

from resablate.analyses import ANALYSES
from resablate.errors import AnalysisError
from resablate.measurement import AnalysisResult
from resablate.model import ResidualNetwork
from tests.contracts.leftovers import assert_unchanged, half_trained, state_of
from tests.networks import ORDER_NAMES, SHORTCUT_NAMES, make_examples, make_generator, make_network

CASES = [(s, o) for s in SHORTCUT_NAMES for o in ORDER_NAMES]


def _run(name: str, network: ResidualNetwork, seed: int = 0) -> AnalysisResult:
    return ANALYSES[name].run(network, make_examples(), generator=make_generator(seed))


@pytest.mark.parametrize(("shortcut", "ordering"), CASES)
@pytest.mark.parametrize("name", ANALYSES)
def test_nothing_is_left_behind(name: str, shortcut: str, ordering: str) -> None:
    network = half_trained(shortcut=shortcut, ordering=ordering)
    before = state_of(network)
    result = _run(name, network)
    assert_unchanged(before, state_of(network))
    assert all(math.isfinite(value) for value in result.summary.values())


@pytest.mark.parametrize("call", [1, 2, 3, 6])
@pytest.mark.parametrize("name", ANALYSES)
def test_nothing_is_left_behind_by_a_failure(name: str, call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network = half_trained()
    before = state_of(network)
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
    except (RuntimeError, AnalysisError) as error:  # the latter of the first image, which shows what the network takes
        assert str(error).endswith("in the middle")
    else:
        assert calls < call, "an analysis of a failing network cannot end well"
    assert_unchanged(before, state_of(network))


@pytest.mark.parametrize("name", ANALYSES)
def test_the_generator_decides(name: str) -> None:
    network = make_network()
    first, again, other = _run(name, network), _run(name, network), _run(name, network, seed=1)
    assert repr(first) == repr(again)
    assert first.table.keys() == other.table.keys()


@pytest.mark.parametrize("name", ANALYSES)
def test_every_number_lies_in_the_bounds_that_its_analysis_declares(name: str) -> None:
    """Intervals of means end there; what is a part of a whole has two ends."""
    row, found = ANALYSES[name], _run(name, make_network(depth=14))
    numbers = {number: [value] for number, value in found.summary.items()} | dict(found.table)
    numbers = {number: values for number, values in numbers.items() if not number.endswith("_standard_error")}
    for number, values in numbers.items():
        low, high = row.possible(number)
        assert all(low <= value <= high for value in values if not math.isnan(value)), number
        assert found.units[number] != "fraction" or max(abs(low), abs(high)) == 1.0, f"{number} has no ends"
    for pattern in row.bounds:
        assert any(fnmatchcase(number, pattern) for number in numbers), f"{pattern} is of no number"


@pytest.mark.parametrize("name", ANALYSES)
def test_curves_have_whole_steps_and_units(name: str) -> None:
    """AnalysisResult checks lengths and units itself; MLflow takes the axis as its step."""
    result = _run(name, make_network())
    assert bool(result.axes) == bool(result.table), "a table has a curve"
    assert result.table or name == "test"
    for column, axis in result.axes.items():
        assert [int(value) for value in result.table[axis]] == list(result.table[axis])
        assert column not in result.summary
    assert len(result.frame()) == len(next(iter(result.table.values()), ()))
    assert list(result.frame().columns) == list(result.table)
