"""A disk that is full before the first trial, and a folder that is removed while trials run."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from resablate.errors import ResablateError
from resablate.report import write_report
from tests.faults.conftest import MakeSweep, Numbers
from tests.faults.sweeps import everything_is_in_order
from tests.scheduling.tiny import numbers
from tests.test_report import small_results, small_sweep

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

FULL_SECONDS = 8.0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(place: Path) -> Path:
    """Take all the room there is."""
    taken = place / "taken"
    with taken.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return taken


@pytest.mark.parametrize("room", [0, 4096, 40_960, 204_800])
def test_a_report_on_a_full_disk_names_its_folder_and_leaves_the_old_one(small_disk: Path, room: int) -> None:
    """Pictures are written by libraries that do not say which file has no room."""
    folder = small_disk / "full"
    folder.mkdir()
    taken = fill(small_disk)
    os.truncate(taken, taken.stat().st_size - room)
    told = rf"{re.escape(str(folder))}: no report can be written there \(.+\); (make room there|mend this), then run"
    with pytest.raises(ResablateError, match=told) as refused:
        write_report(small_results(), sweep=small_sweep(), command="", folder=folder)
    assert "No space left on device" in str(refused.value)
    assert sorted(path.name for path in small_disk.iterdir()) == ["full", "taken"]
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_a_disk_that_is_full_at_the_start(
    make_sweep: MakeSweep, small_disk: Path, numbers_undisturbed: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = make_sweep("inline")
    (sweep.folder / ".resablate").symlink_to(small_disk)
    taken = fill(small_disk)
    assert sweep.run() == 2
    [line] = sweep.said().strip().splitlines()
    assert "No space left on device), and checkpoints and results need room there; make some, then run" in line
    taken.unlink()
    (sweep.folder / ".resablate").unlink()
    assert sweep.run() == 0, sweep.said()
    assert [numbers(result) for result in sweep.results()] == numbers_undisturbed
    everything_is_in_order(sweep)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
def test_a_disk_that_is_full_for_a_while(
    make_sweep: MakeSweep, where: str, small_disk: Path, numbers_undisturbed: Numbers
) -> None:
    """It waits, in the processes of the trials and in the writer's, and says so; no trial fails."""
    sweep = make_sweep(where)
    (sweep.folder / ".resablate").symlink_to(small_disk)
    sweep.start()
    sweep.until(lambda: sweep.reached(1))
    taken = fill(small_disk)
    time.sleep(FULL_SECONDS)
    taken.unlink()
    assert sweep.ended() == 0, sweep.said()
    assert "No space left on device; waiting until there is room" in sweep.said()
    assert "Traceback" not in sweep.said()
    assert [numbers(result) for result in sweep.results()] == numbers_undisturbed
    everything_is_in_order(sweep)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["inline", pytest.param("ray", marks=pytest.mark.ray)])
def test_a_work_folder_that_is_removed_in_the_middle(
    make_sweep: MakeSweep, where: str, numbers_undisturbed: Numbers
) -> None:
    sweep = make_sweep(where)
    sweep.start()
    sweep.until(lambda: sweep.reached(2))
    work = sweep.folder / ".resablate"
    shutil.rmtree(work)
    assert sweep.ended() == 0, sweep.said()
    assert "Traceback" not in sweep.said()
    place = re.escape(f"{work / 'tiny' / 'trials'}/")
    told = rf"trial (\w+): FilesLost: {place}.*: lost while its trial ran \(No such file or directory\); it is tried"
    begun = re.findall(told, sweep.said())
    assert begun, sweep.said()
    assert len(begun) == len(set(begun)), "once for each trial that was under way"
    assert [numbers(result) for result in sweep.results()] == numbers_undisturbed
    everything_is_in_order(sweep)
