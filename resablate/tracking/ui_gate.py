"""A server on this machine for one person: who brings no token from the link gets nothing.

MLflow's own passwords do not do for a link: a browser refuses the requests of a page whose address holds one, and they
want a database of users. Here MLflow listens on a socket file that its owner alone can reach, and this hands on what
comes with the token, which a link brings once and a cookie keeps, as Jupyter does it.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import final
from urllib.parse import parse_qsl, urlencode, urlsplit

PARAMETER = "token"
_OF_ONE_CONNECTION = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
"""Source: RFC 9110, section 7.6.1."""
_CHUNK_BYTES = 2**16
_ANSWER_SECONDS = 120
_REFUSED = b"This page is for who started it: open the link that `resablate ui` printed, with its token.\n"
_STARTING = b"MLflow is starting; this page comes again by itself.\n"


@final
class Gate(ThreadingHTTPServer):
    """Serves what listens on `upstream` to who has the token.

    Args:
        port: on 127.0.0.1; a free one if 0.
        upstream: a socket file.

    Raises:
        OSError: if the port cannot be used.
    """

    daemon_threads = True

    def __init__(self, *, port: int, upstream: Path) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.upstream = upstream
        self.token = secrets.token_urlsafe(32)
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.cookie = f"resablate-ui-{self.server_address[1]}"

    def link(self, path: str = "/") -> str:
        """The address of a page, with the token.

        Args:
            path: begins with `/`; a fragment may follow.
        """
        page, mark, fragment = path.partition("#")
        return f"{self.address}{page}?{PARAMETER}={self.token}{mark}{fragment}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a browser that went away."""

    def knows(self, token: str) -> bool:
        """Whether it is the token."""
        return secrets.compare_digest(token.encode(), self.token.encode())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gate  # pyright: ignore[reportIncompatibleVariableOverride]

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qsl(parts.query, keep_blank_values=True)
        if any(name == PARAMETER and self.server.knows(value) for name, value in query):
            rest = urlencode([(name, value) for name, value in query if name != PARAMETER])
            self._let_in("/" + parts.path.lstrip("/") + (f"?{rest}" if rest else ""))
        elif not self._has_cookie():
            self._say(HTTPStatus.FORBIDDEN, _REFUSED)
        elif self.headers.get("Transfer-Encoding"):
            self._say(HTTPStatus.LENGTH_REQUIRED, b"")
        else:
            self._hand_on()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer

    def _has_cookie(self) -> bool:
        try:
            kept = SimpleCookie(self.headers.get("Cookie", "")).get(self.server.cookie)
        except CookieError:
            return False
        return kept is not None and self.server.knows(kept.value)

    def _let_in(self, path: str) -> None:
        self.send_response(HTTPStatus.SEE_OTHER)
        # The browser keeps what follows the # of the link.
        self.send_header("Location", path)
        self.send_header("Set-Cookie", f"{self.server.cookie}={self.server.token}; Path=/; HttpOnly; SameSite=Lax")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _say(self, status: HTTPStatus, text: bytes, *, again_seconds: int | None = None) -> None:
        self.close_connection = True  # a body that came along is not read
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Connection", "close")
        if again_seconds is not None:
            self.send_header("Refresh", str(again_seconds))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def _hand_on(self) -> None:
        upstream = HTTPConnection("127.0.0.1", timeout=_ANSWER_SECONDS)
        upstream.sock = socket.socket(socket.AF_UNIX)
        upstream.sock.settimeout(_ANSWER_SECONDS)
        try:
            upstream.sock.connect(str(self.server.upstream))
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _OF_ONE_CONNECTION:
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
        except (FileNotFoundError, ConnectionRefusedError):
            self._say(HTTPStatus.SERVICE_UNAVAILABLE, _STARTING, again_seconds=2)
        except (OSError, HTTPException, ValueError):
            self._say(HTTPStatus.BAD_GATEWAY, b"MLflow does not answer.\n")
        else:
            self._pass_on(answer)
        finally:
            upstream.close()

    def _pass_on(self, answer: HTTPResponse) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _OF_ONE_CONNECTION:
                self.send_header(name, value)
        if answer.getheader("Content-Length") is None:  # its end is that of the connection
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        for chunk in _chunks(answer):
            self.wfile.write(chunk)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the requests are MLflow's to tell, and the link's holds the token."""


def _chunks(answer: HTTPResponse) -> Iterator[bytes]:
    while chunk := answer.read1(_CHUNK_BYTES):
        yield chunk
