"""Files that a test makes in the format of published ones are read as if nothing were known of those."""

from collections.abc import Generator
from contextlib import contextmanager
from unittest.mock import patch

from resablate.datasets import published


@contextmanager
def unpublished_files() -> Generator[None]:
    """Inside, no file is compared with what was published."""
    with patch.object(published, "PUBLISHED", {}):
        yield
