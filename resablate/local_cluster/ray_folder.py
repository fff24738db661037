"""The folder of Ray's own files: the names of its sockets must be short, so it is not in the cluster's folder.

A link in the cluster's folder leads there. A link can be made by anybody, so that the folder says in a file of its own
which link it was made for: what does not say so is somebody else's, and is neither written to nor removed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from resablate.errors import ResourceError
from resablate.storage.regular_files import read_regular

LINK = "ray"
"""In the cluster's folder."""
_PREFIX = "resablate-"
_MARK = "resablate-cluster"
"""In the folder: the link that it was made for."""


def ray_folder(cluster: Path) -> Path:
    """Ray's folder of the cluster whose folder is `cluster`, made where there is none.

    Raises:
        ResourceError: if something else than a link bears the name of the link.
    """
    link = cluster / LINK
    if made := _made_for(link):
        return made
    if problem := link_problem(cluster):
        remove_ray_folder(cluster)
        print(f"{link}: {problem}; a new one is made", flush=True)
    made = Path(tempfile.mkdtemp(prefix=_PREFIX))
    (made / _MARK).write_bytes(_mark(link))
    link.unlink(missing_ok=True)
    link.symlink_to(made, target_is_directory=True)
    return made


def remove_ray_folder(cluster: Path) -> None:
    """Remove Ray's folder and the link to it; where the link leads to anything else, the link alone.

    Raises:
        ResourceError: if something else than a link bears the name of the link; it is left alone.
    """
    link = cluster / LINK
    if not os.path.lexists(link):
        return
    if not link.is_symlink():
        raise ResourceError(f"{link}: must be a link to the folder of Ray's files, and is none; move it away")
    if made := _made_for(link):
        shutil.rmtree(made, ignore_errors=True)
    elif problem := link_problem(cluster):
        print(f"{link}: {problem}; the link alone is removed", flush=True)
    link.unlink()


def link_problem(cluster: Path) -> str:
    """What is wrong with the link in a cluster's folder, in a few words; empty where it is right, dangles or is none.

    A link dangles when the machine has been started anew, which clears what it leads to.
    """
    link = cluster / LINK
    if link.is_symlink():
        return f"it leads to {link.readlink()}, which no cluster made for it" if _is_foreign(link) else ""
    return "it is in the place of the link to Ray's files" if os.path.lexists(link) else ""


def _is_foreign(link: Path) -> bool:
    try:
        return link.exists() and not _made_for(link)
    except OSError:  # a link to itself
        return False


def _made_for(link: Path) -> Path | None:
    """The folder that a link leads to, if `ray_folder` made it for this link and this user."""
    try:
        if not link.is_symlink():
            return None
        found = link.readlink()
        is_ours = found.name.startswith(_PREFIX) and not found.is_symlink() and found.lstat().st_uid == os.geteuid()
        return found if is_ours and read_regular(found / _MARK) == _mark(link) else None
    except OSError:
        return None


def _mark(link: Path) -> bytes:
    """One for each link, however its folder is reached."""
    return os.fsencode(link.parent.resolve() / link.name)
