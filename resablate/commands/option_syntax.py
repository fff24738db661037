"""The options that a person typed against those that the verb has, all at once.

The parser of the command line stops at the first one that is wrong. So they are looked at before it, and what is wrong
is told with all else that is wrong with the call, by `Refusals`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from resablate.errors import choices_of, nearest

_noted: ContextVar[tuple[str, ...]] = ContextVar("problems with options", default=())
HELP = "--help"
END = "--"
"""Behind it there are no options."""


class Checked(NamedTuple):
    """What somebody typed behind a verb."""

    words: list[str]
    """Without the options that are wrong."""
    problems: list[str]


def options_of(verb: Any) -> dict[str, bool]:
    """The options of a command of the command line, and whether each takes a value."""
    return {
        name: not parameter.is_flag
        for parameter in verb.params
        for name in (*parameter.opts, *parameter.secondary_opts)
        if name.startswith("-")  # an argument has the name of its word
    }


def check_options(words: Sequence[str], options: Mapping[str, bool]) -> Checked:
    """Take out what is no option of a verb, and an option whose value is missing.

    Args:
        words: behind the verb.
        options: those of the verb, and whether each takes a value.
    """
    kept: list[str] = []
    problems: list[str] = []
    left = list(words)
    while left and left[0] != END:
        word = left.pop(0)
        name, equals, _ = word.partition("=")
        if not word.startswith("-") or word == "-":
            kept.append(word)
        elif name not in {*options, HELP}:
            near = nearest(name, options)
            problems.append(f"{name}: no such option{near} ({choices_of('options', list(options), 'see --help')})")
            meant = next((option for option in options if f"'{option}'" in near), "")
            if meant and options[meant] and not equals and left and not left[0].startswith("-"):
                left.pop(0)  # its value, which would be no word of the verb
        elif options.get(name) and not equals:
            if left:
                kept += [word, left.pop(0)]
            else:
                problems.append(f"{name}: takes a value, which is missing")
        else:
            kept.append(word)
    return Checked(kept + left, problems)


@contextmanager
def noted_problems(problems: Sequence[str]) -> Generator[None]:
    """While it is entered, every `Refusals` begins with these."""
    token = _noted.set(tuple(problems))
    try:
        yield
    finally:
        _noted.reset(token)


def problems_noted() -> tuple[str, ...]:
    """What was wrong with the options of this call."""
    return _noted.get()
