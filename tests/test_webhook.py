"""What is told to a webhook, and that nothing fails with it."""

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from resablate.training.loop import Training
from resablate.webhook import WEBHOOK_VARIABLE, announce
from tests.commands.shell import Shell
from tests.scheduling.tiny import BASE


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, str]]]:
    """What a server on this machine is told."""
    found: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            assert self.headers["Content-Type"] == "application/json"
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv(WEBHOOK_VARIABLE, f"http://127.0.0.1:{server.server_port}/hooks/secret")
        yield found
        server.shutdown()


def test_a_person_is_told_in_words_and_in_fields(told: list[dict[str, str]]) -> None:
    announce("gates", outcome="ended", text="gates: 12 trials, 12 finished")
    assert told == [{"text": "gates: 12 trials, 12 finished", "sweep": "gates", "outcome": "ended"}]


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/hooks/secret", "file:///etc/hostname", "hooks"])
def test_an_address_that_takes_nothing_is_a_warning_without_its_secret(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(WEBHOOK_VARIABLE, address)
    with caplog.at_level(logging.WARNING):
        announce("gates", outcome="failed", text="...")
    assert "was not told that gates failed" in caplog.text
    assert "secret" not in caplog.text


def test_nobody_is_told_where_no_address_is_set() -> None:
    announce("gates", outcome="ended", text="")


def test_a_sweep_tells_that_it_waits_ended_or_failed(
    told: list[dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "folder:kept")
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})
    shell = Shell(tmp_path, monkeypatch, capsys)
    file = shell.write({"name": "tiny", "base": dict(BASE), "axes": {"seed": [0, 1]}, "analyses": {}})
    run = ("sweep", file, "--inline")

    assert shell(*run, "--max-trials", "1").code == 0
    assert (told[-1]["outcome"], told[-1]["sweep"]) == ("needs a person", "tiny")
    assert "1 finished, 1 pending" in told[-1]["text"]

    def fail(training: Training) -> None:
        raise RuntimeError("no more")

    with monkeypatch.context() as patch:
        patch.setattr(Training, "run_epoch", fail)
        assert shell(*run).code == 1
    assert told[-1]["outcome"] == "failed" and "1 complete before, 1 failed" in told[-1]["text"]

    assert shell(*run, "--retry", "failed").code == 0
    assert told[-1]["outcome"] == "ended" and "1 complete before, 1 finished" in told[-1]["text"]

    shell.write({"name": "tiny", "base": dict(BASE), "axes": {"seed": [0]}, "resources": {"gpus": 1000}})
    assert shell("sweep", file).code == 2
    assert told[-1]["outcome"] == "failed" and "sweep tiny did not run: " in told[-1]["text"]
    assert len(told) == 4, "once each time"
