"""Servers that a submit may meet besides a sound cluster."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest
import ray
from ray._private.authentication_test_utils import reset_auth_token_state

VERSION = {"version": "4", "ray_version": ray.__version__, "ray_commit": "", "session_name": ""}
Answers = Mapping[tuple[str, str], tuple[int, str]]
"""Method and beginning of the path -> status and body; the first that fits."""
SOUND: Answers = {
    ("GET", "/api/version"): (200, json.dumps(VERSION)),
    ("GET", "/api/jobs/"): (200, "[]"),
    ("GET", "/api/packages/"): (404, "not there"),
    ("PUT", "/api/packages/"): (200, ""),
    ("POST", "/api/jobs/"): (200, '{"job_id": "x", "submission_id": "x"}'),
}


def know_no_cluster(monkeypatch: pytest.MonkeyPatch, *, home: Path) -> None:
    """No token and no variable that names a cluster, whatever an earlier test of this process had Ray do.

    Ray keeps whether a token is asked for as long as the process lives, and one that has run here asks for one.
    """
    monkeypatch.setenv("HOME", str(home))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "")  # and what the command sets is gone again
    reset_auth_token_state()


class Dashboard(ThreadingHTTPServer):
    """Answers as it is told, and remembers what it was asked."""

    answers: Answers
    asked: list[tuple[str, str, bytes]]
    hangs_after: float
    """From so many requests on it reads and does not answer."""
    over: Event

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def _answer(self) -> None:
        server = self.server
        assert isinstance(server, Dashboard)
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server.asked.append((self.command, self.path, content))
        if len(server.asked) > server.hangs_after:
            server.over.wait()
            return
        fitting = (
            answer
            for (method, path), answer in server.answers.items()
            if method == self.command and self.path.startswith(path)
        )
        status, body = next(fitting, (404, "not found"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_PUT = do_POST = _answer

    def log_message(self, *args: object) -> None:
        """Nothing."""


@contextmanager
def dashboard(answers: Answers, *, hangs_after: float = math.inf) -> Iterator[Dashboard]:
    """A server with these answers before the sound ones."""
    server = Dashboard(("127.0.0.1", 0), _Handler)
    server.hangs_after, server.over = hangs_after, Event()
    server.answers, server.asked = {**answers, **{k: v for k, v in SOUND.items() if k not in answers}}, []
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
