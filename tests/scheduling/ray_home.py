"""Where Ray keeps its token while tests run."""

import atexit
import shutil
import tempfile
from functools import lru_cache


@lru_cache
def ray_home() -> str:
    """One folder for the whole process: Ray reads the token once, and a second Ray with another is never reached."""
    folder = tempfile.mkdtemp(prefix="rh", dir="/tmp")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
