"""How a person names a trial: by its key, by the id of its run, or by the first digits of either."""

from __future__ import annotations

import re
from collections.abc import Iterable

from resablate.errors import SpecError, first_few

_BEGINNING = re.compile(r"[0-9a-f]{4,31}")


def may_begin_a_name(word: str) -> bool:
    """Whether it is of four digits or more, as the beginning of a key or of a run id is."""
    return bool(_BEGINNING.fullmatch(word))


def whole_name(word: str, known: Iterable[str]) -> str:
    """The one of the `known` keys and run ids that `word` is or begins; `word` itself where it is none.

    Raises:
        SpecError: if several begin so.
    """
    names = list(dict.fromkeys(known))
    if word in names or not may_begin_a_name(word):
        return word
    found = [name for name in names if name.startswith(word)]
    if len(found) > 1:
        raise SpecError(f"{word}: {len(found)} trials are named so ({first_few(found)}); write more of the name")
    return found[0] if found else word
