"""Which trainings a claim is about: by fields, fixed before anything is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from resablate.component import Component, Scalar, shown_value
from resablate.model.resnet import stage_length
from resablate.spec import TrainSpec

Fields = Mapping[str, object]
"""Flat field, such as `shortcut.bias`, -> its value, or one of the conditions below."""
Params = Mapping[str, Scalar]


@dataclass(frozen=True)
class OneOf:
    """Any of several values."""

    values: tuple[Scalar, ...]

    def holds(self, value: Scalar) -> bool:
        """Whether `value` is one of them."""
        return value in self.values


@dataclass(frozen=True)
class Other:
    """Any value but these."""

    values: tuple[Scalar, ...]

    def holds(self, value: Scalar) -> bool:
        """Whether `value` is none of them."""
        return value not in self.values


@dataclass(frozen=True)
class Within:
    """A number from `low` to `high`."""

    low: float
    high: float = float("inf")

    def holds(self, value: Scalar) -> bool:
        """Whether `value` lies there."""
        return isinstance(value, int | float) and self.low <= value <= self.high


def deep(layers: int) -> Within:
    """A depth of so many layers or more."""
    return Within(layers)


def matches(params: Params, fields: Fields) -> bool:
    """Whether a training has these fields; one that it does not take is None."""
    return all(_holds(condition, params.get(name)) for name, condition in fields.items())


def _holds(condition: object, value: Scalar) -> bool:
    if isinstance(condition, OneOf | Other | Within):
        return condition.holds(value)
    return condition == value


def _nothing() -> tuple[dict[str, Any], ...]:
    return ()


@dataclass(frozen=True)
class Arm:
    """One side of a comparison.

    Args:
        name: for people.
        fields: what its trainings have in common.
        trainings: those that a sweep for it has, as fields of a sweep file; `fields` themselves where they are plain.
        also: a further condition on the flat fields that no single field expresses.
        following: fields of its trainings that follow from the others, such as a number of blocks from the depth.
    """

    name: str
    fields: Fields
    trainings: tuple[dict[str, Any], ...] = field(default_factory=_nothing)
    also: Callable[[Params], bool] | None = None
    following: Callable[[TrainSpec], dict[str, Any]] | None = None

    def holds(self, params: Params) -> bool:
        """Whether a training belongs to it."""
        return matches(params, self.fields) and (self.also is None or self.also(params))

    @property
    def is_open(self) -> bool:
        """Whether it holds whatever differs from something: "every other shortcut" is those that were trained."""
        return any(isinstance(condition, Other) for condition in self.fields.values())

    @property
    def planned(self) -> tuple[dict[str, Any], ...]:
        """The trainings that a sweep for it has."""
        return self.trainings or (plain(self.fields),)

    def follow(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """A training's fields with those that follow from them."""
        return {**fields, **(self.following(TrainSpec.parse(fields)) if self.following else {})}


def plain(fields: Fields) -> dict[str, Any]:
    """The fields of which one value is enough, and that value: the first of several, the least of a range."""
    found: dict[str, Any] = {}
    for name, condition in fields.items():
        match condition:
            case OneOf():
                found[name] = condition.values[0]
            case Within():
                found[name] = int(condition.low)
            case Other():
                continue
            case _:
                found[name] = condition
    return found


def flat(spec: TrainSpec) -> dict[str, Scalar]:
    """Every field and argument but the seed, with the identities of components as `dataset.identity`."""
    params = spec.params()
    del params["seed"]
    return params | {f"{name}.identity": part.identity for name, part in spec.components().items() if part.identity}


def given(spec: TrainSpec) -> dict[str, Scalar]:
    """The same without arguments that are at their defaults: a record of an earlier version lacks later ones."""
    arguments = {f"{name}.{argument}" for name, part in spec.components().items() for argument in part.arguments}
    identities = {f"{name}.identity" for name in spec.components()}
    return {n: value for n, value in flat(spec).items() if "." not in n or n in arguments or n in identities}


def without(params: Params, varies: tuple[str, ...]) -> tuple[tuple[str, Scalar], ...]:
    """The fields that do not vary: `shortcut` leaves out its arguments too, `shortcut.bias` itself alone."""
    return tuple(item for item in params.items() if not varied(item[0], varies))


def varied(name: str, varies: tuple[str, ...]) -> bool:
    """Whether a flat field is one of those that vary."""
    return name in varies or name.partition(".")[0] in varies


def label(spec: TrainSpec, varies: tuple[str, ...]) -> str:
    """What a cell is in what varies: `exclusive_gate(bias=0)`, `depth 56`."""
    params = spec.params()
    parts: list[str] = []
    for name in varies:
        part = getattr(spec, name, None)
        if isinstance(part, Component):
            parts.append(_component(name, part))
        elif name in params:
            parts.append(f"{name.rpartition('.')[2].replace('_', ' ')} {shown_value(params[name])}")
    return ", ".join(parts)


TOLD_BY_NAME = ("shortcut", "ordering", "network", "regularizer")
"""Fields whose values say by themselves what they are; `all` does not."""


def _component(name: str, part: Component) -> str:
    shown = f"{part.name}({', '.join(f'{n}={shown_value(v)}' for n, v in _telling(part).items())})"
    shown = shown.removesuffix("()")
    if part.name == "none":
        return f"no {name.replace('_', ' ')}"
    return shown if name in TOLD_BY_NAME else f"{name.replace('_', ' ')} {shown}"


def _telling(part: Component) -> dict[str, Any]:
    """Arguments that differ from the defaults, and those that a name alone does not tell: bias, factors, rates."""
    always = {
        name: value for name, value in part.defaults.items() if name in ("bias", "carried_factor", "added_factor")
    }
    return dict(sorted({**always, **part.arguments}.items()))


_STAGES = 3


def blocks(params: Params) -> int | None:
    """Blocks of one stage of a three-stage network; None for another kind, or a depth that it cannot have."""
    depth, block, transition = (params.get(name) for name in ("depth", "network.block", "network.transition"))
    if not isinstance(depth, int) or params.get("network") != "resnet" or params.get("network.stages", 3) != _STAGES:
        return None
    try:
        return stage_length(depth=depth, block=str(block or "basic"), transition=str(transition or "pad"))
    except (ValueError, KeyError):
        return None


def listed(names: Sequence[str]) -> str:
    """`a`; `a and b`; `a, b and c`: the names of one thing or more."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
