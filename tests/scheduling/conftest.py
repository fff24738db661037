"""What tests of processes on Ray leave as they found it."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def handlers_as_before() -> Iterator[None]:
    """Whoever `send_warnings` named is named no more."""
    logger = logging.getLogger("resablate")
    before = list(logger.handlers)
    yield
    logger.handlers = before
