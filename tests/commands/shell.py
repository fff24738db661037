"""Commands run in the process of the test."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from resablate.commands import cli


@dataclass
class Ran:
    code: int
    out: str
    err: str


class Shell:
    """Runs commands in this process, in an empty folder of their own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *words: str) -> Ran:
        self._monkeypatch.setattr(sys, "argv", ["resablate", *words])
        self._capsys.readouterr()
        code: object = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code or 0
        shown = self._capsys.readouterr()
        assert isinstance(code, int)
        return Ran(code, shown.out, shown.err)

    def write(self, content: dict[str, Any] | str, name: str = "tiny.yaml") -> str:
        text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
        (self.folder / name).write_text(text)
        return name

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))
