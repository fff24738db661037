import logging
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
