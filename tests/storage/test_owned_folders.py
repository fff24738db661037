"""Temporary folders, and whether their owners live: real processes own them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from resablate.storage.owned_folders import OWNER, owned_folder, ownerless_folders

ROOT = Path(__file__).parents[2]
PREFIX = "resablate-test-"
OWNS = """
import sys
from pathlib import Path
from resablate.storage.owned_folders import owned_folder
with owned_folder(sys.argv[1], Path(sys.argv[2])) as folder:
    (folder / "notes").write_text("of the owner")
    print(folder, flush=True)
    sys.stdin.read()
"""
DAY = 24 * 3600
Owner = tuple[subprocess.Popen[str], Path]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[], Owner]]:
    """Starts a process that owns a folder; it ends in order where its input does."""
    with ExitStack() as stack:

        def start() -> Owner:
            command = [sys.executable, "-c", OWNS, PREFIX, str(tmp_path)]
            pipe = subprocess.PIPE
            process = stack.enter_context(subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True))
            stack.callback(process.kill)
            assert process.stdout
            return process, Path(process.stdout.readline().strip())

        yield start


def test_a_folder_is_found_once_its_owner_was_killed(begin: Callable[[], Owner], tmp_path: Path) -> None:
    (killed, left), (_, lives) = begin(), begin()
    with owned_folder(PREFIX, tmp_path) as mine:
        assert ownerless_folders(PREFIX, tmp_path) == []
        killed.kill()
        killed.wait()
        assert ownerless_folders(PREFIX, tmp_path) == [left]
        assert {path.name for path in left.iterdir()} == {OWNER, "notes"}, "looking changes nothing"
    assert not mine.exists()
    assert lives.exists()


def test_a_folder_is_gone_once_its_owner_has_ended(begin: Callable[[], Owner], tmp_path: Path) -> None:
    process, folder = begin()
    assert folder.parent == tmp_path
    process.communicate()
    assert process.returncode == 0
    assert not folder.exists()


def old(path: Path, seconds: float = DAY + 60) -> None:
    at = time.time() - seconds
    os.utime(path, (at, at))


@pytest.mark.parametrize("marked", [True, False])
def test_a_folder_without_a_mark_is_left_alone_for_a_day(marked: bool, tmp_path: Path) -> None:
    """It may be one that is being made, or that another version works in."""
    folder = tmp_path / f"{PREFIX}new"
    (folder / "inside").mkdir(parents=True)
    if marked:
        (folder / OWNER).touch()
    assert ownerless_folders(PREFIX, tmp_path) == ([folder] if marked else [])
    old(folder)
    assert ownerless_folders(PREFIX, tmp_path) == ([folder] if marked else []), "what it holds is new"
    old(folder / "inside")
    old(folder)
    assert ownerless_folders(PREFIX, tmp_path) == [folder]
    old(folder, DAY - 60)
    assert ownerless_folders(PREFIX, tmp_path) == ([folder] if marked else [])


def test_what_is_no_folder_of_this_kind_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}file").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / OWNER).touch()
    for path in tmp_path.iterdir():
        old(path)
    assert ownerless_folders(PREFIX, tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes folders of other users")
def test_a_folder_of_another_user_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / f"{PREFIX}other"
    folder.mkdir()
    (folder / OWNER).touch()
    assert ownerless_folders(PREFIX, tmp_path) == [folder]
    os.chown(folder, 12345, 12345)
    assert ownerless_folders(PREFIX, tmp_path) == []


def test_a_folder_whose_making_fails_does_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("resablate.storage.owned_folders.file_lock", full)
    with pytest.raises(OSError, match="No space left"), owned_folder(PREFIX, tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
