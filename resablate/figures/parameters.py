"""The parameters of trainings as flat rows, and those that tell trainings apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from resablate.component import Scalar
from resablate.datasets import DATASETS
from resablate.model import NETWORKS
from resablate.orderings import ORDERINGS
from resablate.registry import Registry, filter_kwargs
from resablate.regularizers import REGULARIZERS
from resablate.shortcuts import SHORTCUTS
from resablate.spec import TrainSpec

Flat = Mapping[str, Scalar]
"""Names such as `shortcut` and `shortcut.bias`, and their values."""
_NOT_IN_EVERY_NETWORK = ("shortcut", "ordering")
_RANKED: Mapping[str, Registry[Any]] = {
    "network": NETWORKS,
    "shortcut": SHORTCUTS,
    "ordering": ORDERINGS,
    "dataset": DATASETS,
    "regularizer": REGULARIZERS,
}
"""Fields whose values come in the order of a table."""
_IDENTITY = ".identity"
_PLACES = {name: place for place, name in enumerate(TrainSpec.model_fields)}


def flat_row(spec: TrainSpec) -> Flat:
    """`spec.params()` without the seed, with the identities of components.

    A network that has no choice of shortcuts, such as a plain one, has no `shortcut`; the same holds for orderings.
    """
    absent = {"seed", *_absent(spec.network.name)}
    row = {name: value for name, value in spec.params().items() if name.partition(".")[0] not in absent}
    identities = {name + _IDENTITY: part.identity for name, part in spec.components().items() if part.identity}
    return row | identities


def parameter_order(name: str) -> tuple[int, str]:
    """Sorts flat names: fields in the order of `TrainSpec`, each followed by its arguments."""
    return (_PLACES[name.partition(".")[0]], name)


def sort_key(name: str, value: Scalar) -> tuple[int, float, str]:
    """Sorts the values of one parameter: tables in their row order, numbers by size, missing values first."""
    if value is None:
        return (0, 0.0, "")
    if name in _RANKED:
        return (1, _RANKED[name].position(str(value)), str(value))
    return (2, 0.0, value) if isinstance(value, str) else (1, float(value), "")


def varying(specs: Sequence[TrainSpec]) -> tuple[str, ...]:
    """The flat parameters, besides the seed, that tell cells apart, in the order of `TrainSpec`.

    An argument counts if it has several values with one component, or differs from its default in some cells alone:
    `shortcut.bias` where gates of two biases are compared, but not where identity is compared with one gate. Where
    cells are equal in everything but the identity of a component (the content of a data set, or the source of a row of
    another package), `dataset.identity` counts.

    Args:
        specs: one for each cell.
    """
    rows = [flat_row(spec) for spec in specs]
    values: dict[str, dict[Scalar, set[Scalar]]] = {}
    takers: dict[str, int] = {}
    for row in rows:
        for name, value in row.items():
            component = row[name.partition(".")[0]] if "." in name else None
            values.setdefault(name, {}).setdefault(component, set()).add(value)
            takers[name] = takers.get(name, 0) + 1
    changed = {f"{name}.{arg}" for spec in specs for name, part in spec.components().items() for arg in part.arguments}

    def counts(name: str) -> bool:
        taken = values[name].values()
        differs = takers[name] < len(rows) or len(set[Scalar]().union(*taken)) > 1
        return any(len(one) > 1 for one in taken) or (differs and ("." not in name or name in changed))

    found = [name for name in values if not name.endswith(_IDENTITY) and counts(name)]
    distinct = {tuple(part for part in row.items() if not part[0].endswith(_IDENTITY)) for row in rows}
    if len(distinct) < len(rows):
        identities = {name: taken.values() for name, taken in values.items() if name.endswith(_IDENTITY)}
        found += [name for name, taken in identities.items() if any(len(one) > 1 for one in taken)]
    return tuple(sorted(found, key=parameter_order))


@cache
def _absent(network: str) -> frozenset[str]:
    if network not in NETWORKS:
        return frozenset()
    taken = filter_kwargs(NETWORKS[network].build, dict.fromkeys(_NOT_IN_EVERY_NETWORK))
    return frozenset(_NOT_IN_EVERY_NETWORK) - set(taken)
