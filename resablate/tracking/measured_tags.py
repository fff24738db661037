"""Which questions a trial has answered, as tags that are read without the result."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from resablate.result import TrialResult

MEASURED = "resablate.measured"
"""Ids of the questions, separated by spaces; further ones in `resablate.measured.1` and so on."""
FAILED_MARK = "!"
"""Ends the id of a question that got no answer."""
IDS_OF_A_TAG = 400
"""An id has 10 digits, so a tag has at most 4,800 characters; of a longer value, LONGEST_VALUE would be kept."""


class Measured(NamedTuple):
    """Ids of the questions that were put to a network."""

    answered: frozenset[str]
    failed: frozenset[str]


def measured_tags(result: TrialResult, *, part: str = "") -> dict[str, str]:
    """One tag, or several where there are many questions.

    Args:
        result: with what was measured.
        part: of the names, so that what is measured later has tags of its own; none where empty.
    """
    first = f"{MEASURED}.{part}" if part else MEASURED
    ids = [*sorted(result.measured), *sorted(f"{name}{FAILED_MARK}" for name in result.unmeasured)]
    parts = [ids[start : start + IDS_OF_A_TAG] for start in range(0, len(ids), IDS_OF_A_TAG)] or [[]]
    return {f"{first}.{number}" if number else first: " ".join(listed) for number, listed in enumerate(parts)}


def is_measured_tag(name: str) -> bool:
    """Whether a tag is one of those that `measured_tags` gives."""
    return name == MEASURED or name.startswith(f"{MEASURED}.")


# Most trials of a sweep have been asked the same: they share one pair of sets.
@lru_cache(maxsize=256)
def read_measured(text: str) -> Measured:
    """The ids in the tags' values, joined by spaces. A question that is in both ways counts as answered."""
    ids = text.split()
    answered = frozenset(name for name in ids if not name.endswith(FAILED_MARK))
    failed = frozenset(name.removesuffix(FAILED_MARK) for name in ids if name.endswith(FAILED_MARK))
    return Measured(answered, failed - answered)
