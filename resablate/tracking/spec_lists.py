"""Lists of training specs as JSON values: what all of them share is written once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from resablate.component import Component
from resablate.spec import TrainSpec

COMMON, TRIALS = "common", "trials"


def pack_specs(specs: Sequence[TrainSpec]) -> dict[str, Any]:
    """`{"common": {field: record}, "trials": [{field: record}, ...]}`, for `json.dumps`.

    A record of a component holds its defaults too, so that params and labels need no table when the list is read.

    Args:
        specs: in their order; those of one sweep differ in few fields.

    Returns:
        Under `trials`, for each spec, the fields that are not the same in all of them.
    """
    if not specs:
        return {COMMON: {}, TRIALS: []}
    first = dict(specs[0])
    shared = set(first)
    for spec in specs:
        shared -= {name for name in shared if not _same(getattr(spec, name), first[name])}
    return {
        COMMON: specs[0].model_dump(mode="json", include=shared),
        TRIALS: [spec.model_dump(mode="json", exclude=shared) for spec in specs],
    }


def unpack_specs(data: Any) -> list[TrainSpec]:
    """The specs that `pack_specs` packed, in their order.

    Args:
        data: as `json.loads` gives it.

    Raises:
        ValueError: if `data` is no such list, or a field is unknown or out of its range.
    """
    if not isinstance(data, dict):
        raise ValueError(f"a list of trials is a mapping with {COMMON} and {TRIALS}, got {type(data).__name__}")
    packed = cast(dict[str, Any], data)
    common, trials = packed.get(COMMON), packed.get(TRIALS)
    if not isinstance(common, dict) or not isinstance(trials, list):
        raise ValueError(f"a list of trials is a mapping with {COMMON} and {TRIALS}, got {sorted(packed)}")
    base = TrainSpec.model_validate(common)
    # A field of a spec depends on no other field, so each value is validated once however many trials have it.
    known: dict[tuple[str, str], Any] = {}
    specs: list[TrainSpec] = []
    for record in cast(list[Any], trials):
        if not isinstance(record, dict):
            raise ValueError(f"a trial is a mapping from field to record, got {record!r}")
        fields: dict[str, Any] = {}
        for name, value in cast(dict[str, Any], record).items():
            place = (name, json.dumps(value))
            if place not in known:
                known[place] = getattr(TrainSpec.model_validate({name: value}), name)
            fields[name] = known[place]
        specs.append(base.model_copy(update=fields) if fields else base)
    return specs


def _same(value: Any, other: Any) -> bool:
    """Whether two values of one field have the same record: 1 and true are equal in Python, but not in JSON."""
    if value is other:
        return True
    if not isinstance(value, Component):
        return value == other
    # Defaults are no part of what a component is, but of its record.
    return value == other and repr(value.record()) == repr(other.record())
