import pytest

from resablate.component import Component
from resablate.component_tables import TABLES, resolve, takes, takes_whole_numbers


def test_arguments_are_sorted_into_those_that_differ_and_defaults() -> None:
    found = resolve(Component("exclusive_gate", {"bias": "-3", "batch_norm": False}), "shortcut")
    assert found.problems == ()
    assert found.component.arguments == {"bias": -3.0}
    assert found.component.defaults == {"batch_norm": False}
    assert resolve(found.component, "shortcut") == found, "once is enough"


def test_a_value_at_its_default_is_no_argument() -> None:
    found = resolve(Component("exclusive_gate", {"bias": -6}), "shortcut").component
    assert found == Component("exclusive_gate")
    assert found.values == {"bias": -6.0, "batch_norm": False}


def test_true_is_not_one() -> None:
    assert resolve(Component("conv1x1", {"batch_norm": True}), "shortcut").problems == ()
    assert resolve(Component("conv1x1", {"batch_norm": 1}), "shortcut").problems == (
        "shortcut 'conv1x1': batch_norm must be true or false, got 1",
    )
    assert resolve(Component("conv1x1", {"batch_norm": True}), "shortcut").problems == (), "whatever was asked before"


def test_an_argument_that_a_row_has_no_more_is_forgotten_where_it_had_its_default() -> None:
    old = Component("dropout", {"rate": 0.3}, {"gone": 5})
    found = resolve(old, "shortcut")
    assert found.problems == ()
    assert found.component.values == {"rate": 0.3}
    assert resolve(Component("dropout", {"gone": 6}), "shortcut").problems == (
        "shortcut 'dropout' takes rate; got gone=6",
    )


def test_all_problems_of_a_component() -> None:
    wrong = Component("exclusive_gate", {"bias": "low", "bais": 1, "batch_norm": 0})
    assert resolve(wrong, "shortcut").problems == (
        "shortcut 'exclusive_gate' takes bias, batch_norm; got bais=1; did you mean 'bias'?",
        "shortcut 'exclusive_gate': batch_norm must be true or false, got 0",
        "shortcut 'exclusive_gate': bias must be a number, got 'low'",
    )
    assert resolve(wrong, "shortcut").component == wrong, "as it was given"
    unknown = resolve(Component("gate"), "shortcut").problems
    assert len(unknown) == 1
    assert unknown[0].startswith("unknown shortcut 'gate'; did you mean 'exclusive_gate' or 'shortcut_only_gate'?")


def test_an_identity_stays() -> None:
    dataset = Component("digits", {}, {}, "data:0123")
    assert resolve(dataset, "dataset").component.identity == "data:0123"


def test_what_a_row_takes() -> None:
    assert takes("shortcut", "dropout") == {"rate": 0.5}
    assert takes("shortcut", "no_such_row") == {}


@pytest.mark.parametrize(
    ("axis", "whole"),
    [
        ("depth", True),
        ("seed", True),
        ("iterations", True),
        ("learning_rate", False),
        ("compile", False),
        ("shortcut", False),
        ("shortcut.bias", False),
        ("shortcut.batch_norm", False),
        ("dataset.train_examples", True),
        ("augmentation.padding", True),
        ("block_sampling.count", True),
        ("schedule.warmup_iterations", True),
        ("schedule.milestones", False),
        ("regularizer.target", False),
        ("shortcut.nothing", False),
        ("nothing", False),
        ("nothing.nothing", False),
    ],
)
def test_axes_of_whole_numbers(axis: str, whole: bool) -> None:
    assert takes_whole_numbers(axis) == whole


def test_every_table_stands_under_its_kind() -> None:
    assert all(kind == table.kind for kind, table in TABLES.items())
