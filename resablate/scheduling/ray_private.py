"""What Ray keeps to itself and is needed all the same: one function each, with a way to go on without it.

Checked against ray 2.59 and 2.60 (tests/scheduling/test_ray_private.py fails when it changes).
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager

log = logging.getLogger(__name__)


def forget_token() -> None:
    """Have Ray read its token from the environment again, as it does in a process that has not used Ray yet.

    Ray keeps the first token that it finds. Where this is not to be had, a second Ray in one process asks for the token
    of the first: `ray.init` then fails with its own message, and a new process helps.
    """
    try:
        from ray._raylet import AuthenticationTokenLoader  # pyright: ignore

        AuthenticationTokenLoader.instance().reset_cache()
    except (ImportError, AttributeError) as error:
        log.warning("this version of Ray keeps the first token of a process (%s)", error)


@contextmanager
def loopback_alone() -> Generator[None]:
    """Have a Ray that is started inside take 127.0.0.1 as its address, so that its servers listen there alone.

    In place of that address Ray takes one that other machines reach, and then its servers listen on every address, but
    where it supports one machine alone, as on macOS. Where this is not to be had they do, and ask for the token.
    """
    try:
        from ray._private import ray_constants  # pyright: ignore

        before = ray_constants.ENABLE_RAY_CLUSTER
    except (ImportError, AttributeError) as error:
        log.warning("this version of Ray listens on every address of this machine, with a token (%s)", error)
        yield
        return
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
