"""A proxy before an MLflow server, which passes requests on or has them fail as networks and databases do."""

import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

FAULTS = ("503", "500", "429", "408", "cut", "lost")
"""Statuses; `cut`: the connection ends without an answer; `lost`: likewise, after the server has done its part."""
HANG = "hang"
"""The connection is taken, and nothing is said."""

HANG_SECONDS = 600
"""Longer than anybody should wait for an answer."""


class FaultyProxy:
    """Use it in a `with`; `fault` is one of FAULTS, HANG or empty, and befalls requests whose path has `only` in it.

    What /health says is always passed on.

    Args:
        target: address of the server.
    """

    def __init__(self, target: str) -> None:
        self.fault = self.only = ""
        self.refused = 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def _pass_on(self) -> None:
                fault = "" if self.path == "/health" or proxy.only not in self.path else proxy.fault
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                proxy.refused += bool(fault)
                if fault.isdigit():
                    self.send_error(int(fault))
                    return
                if fault == HANG:
                    self._wait_for_the_other_side()
                if fault in ("cut", HANG):
                    self.connection.close()
                    return
                headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
                asked = urllib.request.Request(target + self.path, content or None, headers, method=self.command)
                try:
                    with urllib.request.urlopen(asked, timeout=30) as answer:
                        status, body, kind = answer.status, answer.read(), answer.headers.get("Content-Type", "")
                except urllib.error.HTTPError as error:
                    status, body, kind = error.code, error.read(), error.headers.get("Content-Type", "")
                if fault == "lost":
                    self.connection.close()
                    return
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _wait_for_the_other_side(self) -> None:
                self.connection.settimeout(HANG_SECONDS)
                with suppress(OSError):
                    self.connection.recv(1)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """Nothing: connections are cut on purpose."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait_for_refusals(self, count: int, *, seconds: float = 60) -> None:
        """Return once so many more requests have failed."""
        until, goal = time.monotonic() + seconds, self.refused + count
        while self.refused < goal:
            assert time.monotonic() < until, "nothing was asked"
            time.sleep(0.01)
