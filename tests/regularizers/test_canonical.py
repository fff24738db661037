"""Regularizers that do nothing are no second trial."""

from typing import Any

import pytest

from resablate.check import check_trial
from resablate.errors import SpecError
from resablate.regularizers import REGULARIZERS, SV_LAYERS
from resablate.spec import TrainSpec

BARE = {"name": "resnet", "transition": "bare"}
SMALL = {"network": BARE, "depth": 10, "ordering": "full_preactivation", "width": 4}


def key(**fields: Any) -> str:
    return check_trial(TrainSpec.parse({**SMALL, **fields})).key


@pytest.mark.parametrize("name", [name for name in REGULARIZERS if name != "none"])
def test_strength_zero_is_no_regularizer(name: str) -> None:
    assert key(regularizer={"name": name, "strength": 0}) == key() != key(regularizer={"name": name, "strength": 0.5})


def test_arguments_without_effect_make_no_second_trial() -> None:
    plain = {"network": "resnet", "depth": 8}
    assert key(**plain, regularizer={"name": "procrustes", "layers": "transitions", "frequency": 1.0}) == key(**plain)
    transitions = {"name": "procrustes", "layers": "transitions"}
    assert key(regularizer={**transitions, "stem": "published"}) == key(regularizer=transitions)
    assert key(regularizer={"name": "procrustes", "frequency": 0.0}) == key() != key(regularizer="procrustes")


@pytest.mark.parametrize("layers", SV_LAYERS)
def test_a_vgg_has_neither_stem_nor_transitions(layers: str) -> None:
    spec = TrainSpec.parse(
        {"network": "vgg", "depth": 5, "width": 2, "regularizer": {"name": "procrustes", "layers": layers}}
    )
    assert check_trial(spec).regularizer.name == ("procrustes" if layers == "all" else "none")


@pytest.mark.parametrize("strength", [-1, 2])
def test_procrustes_takes_at_most_the_whole_way(strength: float) -> None:
    with pytest.raises(SpecError, match=f"regularizer 'procrustes': strength must be .* equal to [01], got {strength}"):
        key(regularizer={"name": "procrustes", "strength": strength})


def test_a_penalty_has_no_frequency() -> None:
    with pytest.raises(SpecError, match=r"'spectral_penalty' takes strength, layers, target; got frequency=0\.1"):
        key(regularizer={"name": "spectral_penalty", "frequency": 0.1})
