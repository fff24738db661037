"""Every row that packs: a member of a pack trains as it does alone, for ten steps in double precision."""

import itertools
from typing import Any

import pytest

from resablate.model import BLOCKS, TRANSITIONS, build_network
from resablate.optimizers import OPTIMIZERS
from resablate.orderings import ORDERINGS
from resablate.regularizers import REGULARIZERS
from resablate.schedules import SCHEDULES
from resablate.shortcuts import SHORTCUTS
from resablate.training import Pack, Training
from tests.networks import ORDER_NAMES, SHORTCUT_NAMES, make_examples, make_generator, smallest_depth
from tests.training.packs import largest_gap

SIDES: dict[str, Any] = {"depth": 8, "width": 2, "in_channels": 1, "num_classes": 3}
OWN = {
    "constant_scale": [{"carried_factor": 0.25, "added_factor": 0.75}, {"carried_factor": 0.5, "added_factor": 1.0}],
    "exclusive_gate": [{"bias": -1.0}, {"bias": 0.5}],
    "shortcut_only_gate": [{"bias": -1.0}, {"bias": 0.5}],
    "dropout": [{"rate": 0.25}, {"rate": 0.5}],
}
"""Values of the arguments in which members may differ."""
TEN_STEPS = 1e-12
ALONE = {"stochastic_shortcut": "each member draws for its own examples, which no layer of a pack does"}
"""Shortcuts that do not pack."""
LATER = [name for name in SHORTCUTS if name not in (*ALONE, *SHORTCUT_NAMES)]
IN_ORDERINGS = [
    *itertools.product(SHORTCUT_NAMES, ORDER_NAMES),
    *itertools.product(LATER, ["full_preactivation"]),
    *(("identity", ordering) for ordering in ORDERINGS if ordering not in ORDER_NAMES),
]
"""He et al.'s shortcuts in all of their orderings; every other row of either table once."""


def make_training(member: int, **fields: Any) -> Training:
    """One of two trainings of a shape that differ in all that members may differ in."""
    shape = {name: fields.pop(name) for name in ("block", "transition", "ordering") if name in fields}
    shortcut = fields.pop("shortcut", "identity")
    network = build_network(
        **{**SIDES, "depth": smallest_depth(shape.get("block", "basic"), shape.get("transition", "pad"))},
        **shape,
        shortcut={"name": shortcut, **OWN.get(shortcut, [{}, {}])[member]},
        generator=make_generator(member),
    ).double()
    settings: dict[str, Any] = {
        "learning_rate": 0.05 * (member + 1),
        "optimizer": {"name": "sgd", "momentum": 0.9 - 0.2 * member, "weight_decay": 1e-3 * member},
        "schedule": "one_cycle",
        "augmentation": {"name": "crop_flip", "padding": 1},
        **fields,
    }
    return Training(
        network,
        train=make_examples(20, seed=member),
        val=make_examples(4, seed=member + 2),
        epochs=2,
        batch_size=4,
        seed=member,
        **settings,
    )


def check(bound: float = TEN_STEPS, **fields: Any) -> None:
    alone, packed = ([make_training(member, **fields) for member in range(2)] for _ in range(2))
    pack = Pack(packed)
    for _ in range(2):
        for training in alone:
            training.run_epoch()
        pack.run_epoch()
    for one, member in zip(alone, packed, strict=True):
        assert one.done
        assert member.done
        assert not one.diverged
        assert largest_gap(member, one) <= bound


@pytest.mark.parametrize(("shortcut", "ordering"), IN_ORDERINGS)
def test_every_shortcut_in_every_ordering(shortcut: str, ordering: str) -> None:
    check(shortcut=shortcut, ordering=ordering)


@pytest.mark.parametrize(
    ("shortcut", "transition"),
    [*itertools.product(SHORTCUT_NAMES, TRANSITIONS), *itertools.product(LATER, ["projection"])],
)
def test_every_shortcut_with_every_transition(shortcut: str, transition: str) -> None:
    check(shortcut=shortcut, transition=transition, ordering="full_preactivation")


@pytest.mark.parametrize(
    ("block", "transition", "ordering"), list(itertools.product(BLOCKS, TRANSITIONS, ("original", "bn_after_add")))
)
def test_every_block_with_every_transition(block: str, transition: str, ordering: str) -> None:
    check(block=block, transition=transition, ordering=ordering)


@pytest.mark.parametrize(("regularizer", "transition"), list(itertools.product(REGULARIZERS, TRANSITIONS)))
def test_every_regularizer(regularizer: str, transition: str) -> None:
    check(regularizer=regularizer, transition=transition)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule(schedule: str) -> None:
    check(schedule=schedule)


# Where a gradient is 0 but for rounding, AdamW divides that rounding by its own size and 1e-8: 1e-17 becomes 1e-9.
# Muon turns gradients in bfloat16, whose rounding the order of sums may tip over: 8 bits, in steps of 0.01.
BOUNDS = {"adamw": 1e-8, "muon": 1e-2}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer(optimizer: str) -> None:
    check(BOUNDS.get(optimizer, TEN_STEPS), optimizer=optimizer, learning_rate=0.01)


def test_every_row_packs() -> None:
    """A new row says so, or is named here with the reason why not."""
    assert {name for name, shortcut in SHORTCUTS.items() if not shortcut.packs} == set(ALONE)
    assert all(getattr(regularizer, "packs", False) for regularizer in REGULARIZERS.values())
