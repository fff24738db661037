"""What is wrong with one call, told at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from resablate.commands.assignments import parse_assignments
from resablate.commands.option_syntax import problems_noted
from resablate.errors import ResablateError, SpecError

Found = TypeVar("Found")


class Refusals:
    """Gathers what is wrong with the words and options of a call, those that are no options to begin with.

    Args:
        place: what the person was writing, for the head of several problems.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._errors: list[ResablateError] = []
        self.add(*problems_noted())

    def add(self, *problems: str) -> None:
        """Note problems that were seen."""
        self._errors += [SpecError(problem) for problem in problems]

    def of(self, look: Callable[[], Found]) -> Found | None:
        """What `look` gives; None where it raises, which is noted."""
        try:
            return look()
        except ResablateError as error:
            self._errors.append(error)
            return None

    def assignments(self, words: Sequence[str]) -> dict[str, Any]:
        """The `name=value` words by name, without those that are none, which are noted."""
        try:
            return parse_assignments(words, place=self._place)
        except SpecError as error:
            self._errors.append(error)
            return cast(dict[str, Any], error.valid_part)

    @property
    def some(self) -> bool:
        """Whether anything was noted."""
        return bool(self._errors)

    def refuse(self) -> None:
        """Raise what was noted: one error as it is, several as one.

        Raises:
            ResablateError: if there is anything.
        """
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            found = [error.problems if isinstance(error, SpecError) else [str(error)] for error in self._errors]
            raise SpecError(dict.fromkeys(problem for problems in found for problem in problems), place=self._place)
