"""What is told to a webhook, and that nothing fails with it."""

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from resablate.webhook import WEBHOOK_VARIABLE, announce


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
