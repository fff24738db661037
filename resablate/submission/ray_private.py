"""What Ray keeps to itself and a submission needs: which files travel, and what its refusals mean.

Checked against ray 2.59 and 2.60 (tests/submission/test_ray_private.py fails when it changes). Without the first a
person submits with Ray's own command; a refusal whose text is another one is shown as it is.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from resablate.errors import SubmissionError

_TRANSIENT = ("already exists", "No available agent")
"""Ray's job server: the id was taken meanwhile; the head answers some seconds before it can start a job."""
_REFUSAL = re.compile(r"Request failed with status code (\d+): (.*)", re.DOTALL)


def travelling_files(folder: Path, excluded: Sequence[str]) -> list[Path]:
    """The files and folders in `folder` that Ray would send, so that .gitignore means what it does to its own command.

    Args:
        folder: absolute.
        excluded: more that stays, in .gitignore's words.

    Raises:
        SubmissionError: if this Ray lists files in another way; names its own command, which submits without resablate.
    """
    found: list[Path] = []
    try:
        from ray._private.runtime_env.packaging import (
            _dir_travel,  # pyright: ignore[reportPrivateUsage]
            _get_excludes,  # pyright: ignore[reportPrivateUsage]
        )

        excludes = [_get_excludes(folder, list(excluded))]
        _dir_travel(folder, excludes, found.append, include_gitignore=True, logger=logging.getLogger(__name__))
    except (ImportError, AttributeError, TypeError) as error:
        raise SubmissionError(
            f"the installed version of Ray does not tell which files it would send ({error}); install the one of"
            " constraints.txt, or use Ray's own command: ray job submit --working-dir . -- python -m resablate sweep"
            " FILE"
        ) from None
    return found


def may_pass(error: RuntimeError) -> bool:
    """Whether a job that was refused with `error` may be taken a moment later."""
    return any(text in str(error) for text in _TRANSIENT)


class Refusal(NamedTuple):
    """An answer of the job server that is no success."""

    code: int
    """Of HTTP."""
    body: str


def refusal(error: Exception) -> Refusal | None:
    """What the job server answered; None where `error` does not tell."""
    found = _REFUSAL.match(str(error))
    return Refusal(int(found[1]), found[2]) if found else None
