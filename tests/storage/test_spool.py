"""Results that wait to be filed: whole, or as if they were not there."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from resablate.errors import CheckpointError, FilesUnreadable
from resablate.storage.spool import check_readable, is_proved_damaged, read_spooled, spooled, write_spooled
from tests.factories import make_result

OURS, OTHERS = make_result(seed=0), make_result(seed=1)
WEIGHTS = {"weights.safetensors": b"weights", "after-epoch-000002.safetensors": b"early"}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def fold(path: Path) -> None:
    path.unlink()
    path.mkdir()


def relabel(path: Path) -> None:
    """The list of another trial's result, with its key changed to ours."""
    other = write_spooled(path.parents[1], OTHERS, weights=WEIGHTS)
    shutil.copy(other / "result.json", path.parent)
    path.write_text((other / "files.json").read_text().replace(OTHERS.key, OURS.key))


def change(name: str, value: object) -> Callable[[Path], object]:
    def act(path: Path) -> None:
        path.write_text(json.dumps({**json.loads(path.read_bytes()), name: value}))

    return act


DAMAGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    **{f"a changed bit of {name}": (name, flip) for name in ("files.json", "result.json", *WEIGHTS)},
    **{f"{name} is missing": (name, Path.unlink) for name in ("files.json", "result.json", *WEIGHTS)},
    **{f"a folder in the place of {name}": (name, fold) for name in ("files.json", "result.json", *WEIGHTS)},
    **{f"{name} is empty": (name, lambda path: path.write_bytes(b"")) for name in ("files.json", "result.json")},
    "another trial's result": ("files.json", relabel),
    "another version": ("files.json", change("version", 0)),
    "a list of no files": ("files.json", change("files", 7)),
    "a list that is none": ("files.json", lambda path: path.write_text("[1]")),
    "a list that is nested without end": ("files.json", lambda path: path.write_text("[" * 100_000)),
}


def test_what_was_written_reads_back(tmp_path: Path) -> None:
    place = write_spooled(tmp_path, OURS, weights=WEIGHTS)
    result, weights = read_spooled(place)
    assert result.to_json() == OURS.to_json()
    assert {name: file.read_bytes() for name, file in weights.items()} == WEIGHTS
    assert set(spooled(tmp_path)) == {OURS.key}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_as_if_it_were_not_there(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name, act = DAMAGES[damage]
    place = write_spooled(tmp_path, OURS, weights=WEIGHTS)
    act(place / name)
    assert OURS.key not in spooled(tmp_path)
    [line] = caplog.messages
    assert line.startswith(f"{place}: not a whole result (")
    assert "\n" not in line
    with pytest.raises(CheckpointError):
        read_spooled(place)
    write_spooled(tmp_path, OURS, weights=WEIGHTS)
    assert read_spooled(place)[0].key == OURS.key, "and it is in nobody's way"


def test_files_of_an_earlier_result_are_not_this_one_s(tmp_path: Path) -> None:
    write_spooled(tmp_path, OURS, weights=WEIGHTS)
    place = write_spooled(tmp_path, OURS.model_copy(update={"status": "failed"}), weights={})
    result, weights = read_spooled(place)
    assert (result.status, weights) == ("failed", {})


def test_a_file_in_the_place_of_a_folder_is_removed(tmp_path: Path) -> None:
    (tmp_path / OURS.key).write_text("no folder")
    assert spooled(tmp_path) == {}
    assert set(spooled(write_spooled(tmp_path, OURS, weights={}).parent)) == {OURS.key}


def loop(path: Path) -> None:
    """A file that is there and cannot be read, by root either, as where a server has restarted."""
    path.unlink()
    path.symlink_to(path.name)


UNPROVED: dict[str, tuple[str, Callable[[Path], object]]] = {
    "another version": DAMAGES["another version"],
    "a list in another form": DAMAGES["a list of no files"],
    **{f"{name} cannot be read": (name, loop) for name in ("files.json", "result.json", *WEIGHTS)},
}
PROVED = [name for name in DAMAGES if not name.startswith(("another", "a list of no", "a list that is none"))]


@pytest.mark.parametrize("damage", [*UNPROVED, *PROVED])
def test_what_may_be_whole_is_not_said_to_be_damaged(damage: str, tmp_path: Path) -> None:
    name, act = UNPROVED.get(damage) or DAMAGES[damage]
    place = write_spooled(tmp_path, OURS, weights=WEIGHTS)
    assert not is_proved_damaged(place)
    act(place / name)
    with pytest.raises(CheckpointError):
        read_spooled(place)
    assert is_proved_damaged(place) is (damage not in UNPROVED)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("name", ["files.json", "result.json", "weights.safetensors"])
def test_what_cannot_be_read_is_told_before_its_trial_is_trained_again(name: str, tmp_path: Path) -> None:
    place = write_spooled(tmp_path, OURS, weights=WEIGHTS)
    check_readable(tmp_path)
    (place / name).unlink()
    check_readable(tmp_path)  # a file that is missing is damage, and made again
    (place / name).symlink_to("/proc/self/mem")  # can be opened, and reading it fails as a broken disk does
    with pytest.raises(FilesUnreadable, match=f"{place}: a result that waits to be filed cannot be read"):
        check_readable(tmp_path)
