"""The door before the MLflow UI: nothing without the token, everything with it."""

import http.client
import re
import socketserver
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from resablate.tracking.ui_gate import Gate


class _Upstream(BaseHTTPRequestHandler):
    """Says what it was asked; one path comes in pieces without a length."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        asked: list[tuple[str, str, bytes, dict[str, str]]] = self.server.asked  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked.append((self.command, self.path, body, dict(self.headers)))
        self.send_response(200)
        if self.path == "/pieces":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(body) + 2))
        self.send_header("X-Upstream", "yes")
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else b"ok" + body)

    do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = _answer

    def address_string(self) -> str:
        return "upstream"

    def log_message(self, *args: object) -> None:
        """Nothing."""


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    asked: list[tuple[str, str, bytes, dict[str, str]]]


@contextmanager
def running(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ra-") as name:  # short: the name of a socket is
        yield Path(name)


@pytest.fixture
def upstream(folder: Path) -> Iterator[_Server]:
    server = _Server(str(folder / "socket"), _Upstream)
    server.asked = []
    with running(server):
        yield server


@pytest.fixture
def gate(folder: Path) -> Iterator[Gate]:
    with running(Gate(port=0, upstream=folder / "socket")) as opened:
        yield opened


def ask(
    gate: Gate, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", gate.server_address[1], timeout=10)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@pytest.mark.parametrize("method", METHODS)
def test_without_the_token_nothing_reaches_the_server(method: str, gate: Gate, upstream: _Server) -> None:
    wrong = [f"{gate.cookie}=", f"{gate.cookie}={gate.token}x", f"{gate.cookie}={gate.token[:-1]}", f"x={gate.token}"]
    for cookie in ["", *wrong, '"', "a=b; c", f"{gate.cookie}=é"]:
        status, _, said = ask(gate, "/api", method=method, Cookie=cookie.encode().decode("latin-1"))
        assert status == 403
        assert method == "HEAD" or b"open the link" in said
    for path in ("/?token=", f"/?token={gate.token[:-1]}", f"/?tokens={gate.token}", "/?token=%ff", "//x?token=a"):
        assert ask(gate, path, method=method)[0] == 403
    assert ask(gate, "/", method=method, Authorization=f"Bearer {gate.token}")[0] == 403
    assert upstream.asked == []


def test_the_link_gives_a_cookie_that_scripts_cannot_read_and_an_address_without_the_token(gate: Gate) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/a\?token=[\w-]{43}#/b\?c=d", gate.link("/a#/b?c=d"))
    status, headers, _ = ask(gate, f"/a?x=1&token={gate.token}&y=%26")
    assert (status, headers["location"]) == (303, "/a?x=1&y=%26")
    assert headers["set-cookie"] == f"{gate.cookie}={gate.token}; Path=/; HttpOnly; SameSite=Lax"
    assert ask(gate, f"//elsewhere.example/?token={gate.token}")[1]["location"] == "/elsewhere.example/"


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_with_the_cookie_everything_does(method: str, gate: Gate, upstream: _Server) -> None:
    body = b"x" * 300_000 if method in ("POST", "PATCH") else None
    cookie = f"a=b; {gate.cookie}={gate.token}"
    status, headers, said = ask(
        gate, "/p?q=%2F", method=method, body=body, Cookie=cookie, X_Sent="1", Range="bytes=0-1"
    )
    assert (status, said, headers["x-upstream"]) == (200, b"ok" + (body or b""), "yes")
    [(there, path, content, sent)] = upstream.asked
    assert (there, path, content, sent["X-Sent"], sent["Range"]) == (method, "/p?q=%2F", body or b"", "1", "bytes=0-1")
    assert sent["Host"] == f"127.0.0.1:{gate.server_address[1]}", "which MLflow checks"


def test_an_answer_in_pieces_comes_whole(gate: Gate, upstream: _Server) -> None:
    assert ask(gate, "/pieces", Cookie=f"{gate.cookie}={gate.token}")[::2] == (200, b"onetwo")
    assert len(upstream.asked) == 1


def test_a_request_in_pieces_is_refused(gate: Gate, upstream: _Server) -> None:
    cookie = f"{gate.cookie}={gate.token}"
    assert ask(gate, "/", method="POST", Transfer_Encoding="chunked", Cookie=cookie)[0] == 411
    assert ask(gate, "/", method="POST", Content_Length="x", Cookie=cookie)[0] == 502
    assert upstream.asked == []


def test_a_page_comes_again_while_mlflow_starts(gate: Gate) -> None:
    status, headers, _ = ask(gate, "/", Cookie=f"{gate.cookie}={gate.token}")
    assert (status, headers["refresh"]) == (503, "2")


def test_a_token_is_new_each_time_and_its_port_is_of_this_machine_alone(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700, "as that of the socket is made"
    gates = [Gate(port=0, upstream=folder / "socket") for _ in range(2)]
    assert gates[0].token != gates[1].token
    assert {gate.server_address[0] for gate in gates} == {"127.0.0.1"}
    for gate in gates:
        gate.server_close()
