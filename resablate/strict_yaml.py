"""YAML 1.2 as a person means it: what PyYAML lets pass silently is a mistake with its place.

Source: YAML 1.2.2, section 10.3.2, the core schema. PyYAML reads YAML 1.1, where 010 is 8, 1:30 is 90, `on` is true,
1e-3 is a text and 2026-01-01 a date; here they are 10, a text, a text, a number and a text.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, ClassVar

import yaml
from yaml.constructor import ConstructorError

from resablate.errors import SpecError

MAX_BYTES = 2**18
"""Of a file. A grid of 100,000 points is a dozen lines; what is longer was not meant as a sweep."""
MAX_VALUES = 10_000
"""Of a file, an alias counted as what it stands for; PyYAML reads so many in a quarter of a second."""
_CHARACTERS_PER_VALUE = 16
"""A long text counts as several values: an alias repeats it in every message."""
_MAX_DEPTH = 32
_MAX_DIGITS = 100
"""Python refuses to print a whole number of more than 4300."""
_TAG = "tag:yaml.org,2002:"
_PLAIN = {
    "null": (re.compile(r"(?:null|Null|NULL|~|)\Z"), ["n", "N", "~", ""]),
    "bool": (re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")),
    "int": (re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"), list("-+0123456789")),
    "float": (
        re.compile(
            r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
        ),
        list("-+0123456789."),
    ),
}
"""Kind -> which plain scalars are of it, and how they begin; the first that fits."""
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, which a terminal obeys, and halves of characters, which nothing can print."""


def load_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        FileNotFoundError: if there is none.
        SpecError: if it cannot be read, is too large, or holds no YAML.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode() if len(content) <= MAX_BYTES else None
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not readable as a text file ({error})") from None
    if text is None:
        raise SpecError(f"{path}: larger than {MAX_BYTES // 2**10} KiB, the most that a sweep file may be")
    return parse_yaml(text, place=str(path))


def parse_yaml(text: str, *, place: str) -> Any:
    """The content of a YAML text: dicts, lists, texts, numbers, truth values and None.

    Args:
        text: what the file holds.
        place: where it was written, for error messages.

    Raises:
        SpecError: if it is no YAML of moderate size, or a key is written twice.
    """
    try:
        _check_size(text)
        return yaml.load(text, Loader=_StrictLoader)
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the latter: characters and versions that are none
        raise SpecError(_yaml_problem(error, text), place=place) from None


def dump_yaml(content: Any, *, width: int | None = None) -> str:
    """Plain values as YAML that is read as it was meant, by readers of YAML 1.1 and 1.2 alike."""
    return yaml.dump(
        content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=width or 80
    )


def _check_size(text: str) -> None:
    """Raise a YAMLError where a text is deeper, or would hold more once its aliases are written out, than a sweep does.

    It looks at the parser's events: what a text of a few lines stands for may not fit into any memory.
    """
    sizes: dict[str | None, int | None] = {}  # of what an anchor names; None while it is not complete
    started: list[tuple[str | None, int]] = []  # anchor of each open collection, and what was counted before it
    count = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        mark: Any = event.start_mark
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = started.pop()
            sizes[anchor] = count - before
        elif isinstance(event, yaml.AliasEvent):
            size = sizes.get(event.anchor, 1)  # of an unknown one the parser complains
            if size is None:
                raise ConstructorError(None, None, f"recursive: *{event.anchor} stands inside &{event.anchor}", mark)
            count += size
        elif isinstance(event, yaml.CollectionStartEvent):
            started.append((event.anchor, count))
            sizes[event.anchor] = None
            count += 1
        elif isinstance(event, yaml.ScalarEvent):
            sizes[event.anchor] = 1 + len(event.value) // _CHARACTERS_PER_VALUE
            count += 1 + len(event.value) // _CHARACTERS_PER_VALUE
        if count > MAX_VALUES:
            raise ConstructorError(None, None, f"more than {MAX_VALUES} values, aliases written out", mark)
        if len(started) > _MAX_DEPTH:
            raise ConstructorError(None, None, f"nested too deeply, more than {_MAX_DEPTH} levels", mark)


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader with the kinds of the core schema, and a key that is written twice refused."""

    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {}  # pyright: ignore[reportIncompatibleVariableOverride]
    yaml_constructors: ClassVar[dict[Any, Any]] = {}


class _Dumper(yaml.SafeDumper):
    """YAML's safe dumper, which puts a text into quotes where YAML 1.2 would read something else."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == f"{_TAG}merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise ConstructorError(None, None, f"{key!r} cannot be a key", key_node.start_mark)
        if key in seen:
            raise ConstructorError(None, None, f"{key!r} is written twice", key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


def _sequence(loader: _StrictLoader, node: yaml.SequenceNode) -> list[Any]:
    return loader.construct_sequence(node, deep=True)


def _text(loader: _StrictLoader, node: yaml.ScalarNode) -> str:
    text = str(loader.construct_scalar(node))
    if found := _UNPRINTABLE.search(text):
        raise ConstructorError(None, None, f"the character {found[0]!a} in a text", node.start_mark)
    return text


def _plain(loader: _StrictLoader, node: yaml.ScalarNode) -> bool | int | float | None:
    """What is no text, written as the core schema has it."""
    kind, text = node.tag.removeprefix(_TAG), str(loader.construct_scalar(node))
    if not _PLAIN[kind][0].match(text):
        raise ConstructorError(None, None, f"{text[:_MAX_DIGITS]!r} is no {kind}", node.start_mark)
    if len(text) > _MAX_DIGITS:
        raise ConstructorError(None, None, f"a number of {len(text)} characters", node.start_mark)
    if kind in ("null", "bool"):
        return text.lower() == "true" if kind == "bool" else None
    if kind == "int":
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


for _kind, (_pattern, _first) in _PLAIN.items():
    for _class in (_StrictLoader, _Dumper):
        _class.add_implicit_resolver(f"{_TAG}{_kind}", _pattern, _first)
    _StrictLoader.add_constructor(f"{_TAG}{_kind}", _plain)
_StrictLoader.add_implicit_resolver(f"{_TAG}merge", re.compile(r"<<\Z"), ["<"])
_StrictLoader.add_constructor(f"{_TAG}str", _text)
_StrictLoader.add_constructor(f"{_TAG}seq", _sequence)
_StrictLoader.add_constructor(f"{_TAG}map", _mapping)
_StrictLoader.add_constructor(None, yaml.SafeLoader.construct_undefined)


def _yaml_problem(error: Exception, text: str) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        line, column = error.problem_mark.line, error.problem_mark.column
        said = ", ".join(part for part in (error.context, error.problem) if part)
    elif isinstance(error, yaml.reader.ReaderError):
        before = text[: error.position]
        line, column = before.count("\n"), len(before) - (before.rfind("\n") + 1)
        said = f"unacceptable character {text[error.position]!a}"
    else:
        return f"not valid YAML: a version or an escape sequence out of range ({error})"
    return f"line {line + 1}, column {column + 1}: not valid YAML: {said}"
