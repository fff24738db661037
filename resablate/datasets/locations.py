"""Where data sets that are files lie, and how they get there."""

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from resablate.errors import DatasetError

_MAY_DOWNLOAD = ContextVar("_MAY_DOWNLOAD", default=True)


@contextmanager
def without_download() -> Generator[None]:
    """Inside, a data set that is not on this machine is a DatasetError at once."""
    token = _MAY_DOWNLOAD.set(False)
    try:
        yield
    finally:
        _MAY_DOWNLOAD.reset(token)


def data_roots(data_root: Path | None) -> list[Path]:
    """The folders to look in, first come first served: `data_root`, $RESABLATE_DATA, and the user's cache.

    Raises:
        DatasetError: if `data_root` is no folder.
    """
    if data_root is not None:
        data_root = _expanded(str(data_root))
        if not data_root.is_dir():
            raise DatasetError(f"--data-root {data_root}: no such folder")
    given = os.environ.get("RESABLATE_DATA")
    cache = Path.home() / ".cache" / "resablate" / "data"
    return list(dict.fromkeys(root for root in (data_root, _expanded(given) if given else None, cache) if root))


def _expanded(place: str) -> Path:
    """With `~` and variables written out, which no shell does behind an equals sign."""
    return Path(os.path.expandvars(place)).expanduser()


def download(name: str, fetch: Callable[[], object], *, files: str, looked: Sequence[Path], remedy: str) -> None:
    """Call `fetch`, which downloads the data set called `name`.

    Args:
        name: of the data set.
        fetch: torchvision's download.
        files: what was looked for.
        looked: where.
        remedy: what a person can do without a network.

    Raises:
        DatasetError: if it fails for whatever reason; names every place and remedy.
    """
    if not _MAY_DOWNLOAD.get():
        raise DatasetError(f"{name}: not found in {', '.join(dict.fromkeys(map(str, looked)))}")
    try:
        fetch()
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else "no reason given"
        places = "\n".join(f"    {folder}" for folder in looked)
        raise DatasetError(
            f"{name}: not found, and torchvision could not download it ({type(error).__name__}: {reason})\n"
            f"  looked for {files} in:\n{places}\n"
            f"  {remedy}"
        ) from None
