"""Where Ray keeps its token and its files while tests run."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path


@lru_cache
def ray_home() -> str:
    """One folder for the whole process: Ray reads the token once, and a second Ray with another is never reached."""
    folder = tempfile.mkdtemp(prefix="rh", dir="/tmp")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextmanager
def own_ray_folder() -> Iterator[Path]:
    """A folder for the files of a Ray that is started in it: `RAY_TMPDIR`. It is removed at the end."""
    # Not pytest's: the names of Ray's sockets must be short.
    folder = Path(tempfile.mkdtemp(prefix="ra", dir="/tmp"))
    (folder / "ray").mkdir()
    # A cluster that somebody else started here is not to be joined.
    (folder / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
