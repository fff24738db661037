import logging
import shutil
from pathlib import Path

import pytest

from resablate.storage.files import write_bytes


def test_a_full_disk_is_told_and_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """/dev/full has no room for anything, as a full disk."""
    monkeypatch.setattr("resablate.storage.files._FULL_SECONDS", 0.01)
    device, looks, really = Path("/dev/full"), [0], Path.write_bytes

    def write(path: Path, content: bytes) -> int:
        looks[0] += 1
        return really(device if looks[0] < 4 else path, content)

    monkeypatch.setattr(Path, "write_bytes", write)
    with caplog.at_level(logging.WARNING):
        write_bytes(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    [line] = caplog.messages
    assert line == f"{tmp_path / 'file'}: No space left on device; waiting until there is room for 7 bytes"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("times", [1, 9, 10])
def test_a_folder_that_is_removed_while_it_is_written_to_is_made_again(
    times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, left = Path.write_bytes, [times]

    def remove_and_write(path: Path, content: bytes) -> int:
        if left[0]:
            left[0] -= 1
            shutil.rmtree(tmp_path / "work")
        return really(path, content)

    monkeypatch.setattr(Path, "write_bytes", remove_and_write)
    if times == 10:
        with pytest.raises(FileNotFoundError):
            write_bytes(tmp_path / "work" / "trial" / "file", b"content")
        return
    write_bytes(tmp_path / "work" / "trial" / "file", b"content")
    assert (tmp_path / "work" / "trial" / "file").read_bytes() == b"content"
