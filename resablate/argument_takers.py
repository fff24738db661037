"""Which components of a sweep take the arguments that it gives to whoever takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resablate.component import parse_component
from resablate.component_tables import takes
from resablate.errors import nearest
from resablate.spec import TrainSpec
from resablate.sweep import SweepSpec


class ArgumentTakers:
    """Which components take the arguments that a sweep gives by `field.argument`, for whoever takes them."""

    def __init__(self, sweep: SweepSpec) -> None:
        names = dict.fromkeys(name for name in (*sweep.base, *sweep.swept) if "." in name)
        self.takers: dict[str, dict[str, None]] = {name: {} for name in names}
        self.others: dict[str, dict[str, None]] = {name: {} for name in names}
        """Argument -> components that do not take it and occur in the sweep."""

    def effective(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """`fields` without the arguments that their components do not take."""
        kept = dict(fields)
        for name in self.takers:
            if name not in fields:
                continue
            field, _, argument = name.partition(".")
            component = parse_component(fields.get(field, TrainSpec.model_fields[field].default)).name
            if argument in takes(field, component):
                self.takers[name][component] = None
            else:
                self.others[name][component] = None
                del kept[name]
        return kept

    def problems(self) -> list[str]:
        """One line for each argument that no component of the sweep takes."""
        found: list[str] = []
        for name, takers in self.takers.items():
            if takers:
                continue
            field, _, argument = name.partition(".")
            choices = "; ".join(
                f"{component} takes {', '.join(takes(field, component)) or 'none'}" for component in self.others[name]
            )
            near = nearest(argument, [taken for component in self.others[name] for taken in takes(field, component)])
            found.append(f"{name}: no {field} of this sweep takes it{near} ({choices})")
        return found

    def notes(self) -> list[str]:
        """One line for each argument that some components of the sweep do not take."""
        return [
            f"{name} has no effect on {', '.join(others)}, which run once, without it"
            for name, others in self.others.items()
            if others
        ]
