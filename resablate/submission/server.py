"""A Ray cluster's dashboard, which takes jobs."""

from __future__ import annotations

import importlib.metadata
import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from resablate.errors import SubmissionError
from resablate.redaction import redact
from resablate.submission.limits import limited
from resablate.submission.ray_private import refusal

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

ADDRESS_VARIABLE = "RAY_API_SERVER_ADDRESS"
PROBE_SECONDS = 10
_ADVICE = (
    "--address, or $RAY_API_SERVER_ADDRESS, is that of the cluster's dashboard, such as http://127.0.0.1:8265;"
    " a cluster elsewhere is reached through a tunnel: ssh -L 8265:127.0.0.1:8265 HEAD"
)
_TOKEN_ADVICE = (
    "Set RAY_AUTH_TOKEN to the cluster's token, or RAY_AUTH_TOKEN_PATH to a file that holds it, or put it in"
    " ~/.ray/auth_token; on the head node `ray get-auth-token` prints it"
)


def connect(address: str) -> JobSubmissionClient:
    """A client of the cluster at `address`.

    Raises:
        SubmissionError: if the address is none, no dashboard answers there, it does not take the token, or its Ray is
            another version than this one.
    """
    address = address.strip().rstrip("/")
    _check_address(address)
    headers = {"Authorization": f"Bearer {token}"} if (token := _token()) else {}
    _check_server(address, headers)
    os.environ[ADDRESS_VARIABLE] = address  # Ray takes its variables, RAY_ADDRESS too, before its argument
    with server_errors(address):
        from ray.job_submission import JobSubmissionClient

        for module in JobSubmissionClient.__mro__[:-1]:  # each tells of every step
            logging.getLogger(module.__module__).setLevel(logging.WARNING)
        return limited(lambda: JobSubmissionClient(address, headers=headers))


@contextmanager
def server_errors(address: str) -> Generator[None]:
    """What Ray's client raises inside, as a `SubmissionError` that says what to do."""
    from ray.exceptions import AuthenticationError

    try:
        yield
    except AuthenticationError as error:
        problem = (
            "the cluster does not take this token any more" if _token() else "a token is asked for, and there is none"
        )
        raise SubmissionError(f"{address}: {problem}. {_TOKEN_ADVICE}") from error
    except (RuntimeError, OSError) as error:  # requests' errors are OSErrors
        raise SubmissionError(f"{address}: {_refusal(error)}") from error


def stop_command(job: str, address: str) -> str:
    """What a person types to stop a job."""
    return f"ray job stop {job} --address {address}"


def _refusal(error: Exception) -> str:
    refused = refusal(error)
    if refused is None:
        return f"the cluster does not answer as it should: {_reason(error)}. {_ADVICE}"
    code, body = refused.code, refused.body.strip().rstrip(".")
    why = (body.splitlines() or ["no reason given"])[-1].strip()  # of a traceback, the error
    said = f"the cluster refused it (HTTP {code}: {why})"
    if code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return f"{said}; name what the sweep does not need in .gitignore or .rayignore"
    if code == HTTPStatus.INSUFFICIENT_STORAGE or "No space left" in body:
        return f"{said}; free some space on the head node's disk, where Ray keeps packages and logs (/tmp/ray)"
    if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return (
            f"{said}; see the head node's disk, its memory and its logs"
            " (/tmp/ray/session_latest/logs/dashboard.log), then submit again"
        )
    return said


def _check_address(address: str) -> None:
    try:
        parts = urlsplit(address)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number
        sound, parts = False, None
    if not sound or not parts:
        raise SubmissionError(f"{redact(address)!r}: no address of a Ray cluster, http://HOST:PORT. {_ADVICE}")
    if parts.username is not None or parts.query:
        raise SubmissionError(f"{redact(address)}: a cluster's address holds no password. {_TOKEN_ADVICE}")


def _token() -> str:
    """The cluster's token from where Ray looks for it, or nothing."""
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return _one_word(token, "RAY_AUTH_TOKEN")
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named).expanduser() if named else Path.home() / ".ray" / "auth_token"
    try:
        return _one_word(path.read_text(encoding="utf-8").strip(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        if named:
            raise SubmissionError(f"RAY_AUTH_TOKEN_PATH: {path} cannot be read ({error}). {_TOKEN_ADVICE}") from None
        return ""


def _one_word(token: str, place: str) -> str:
    """The token, which fits into a header; what is shown of any other is where it was."""
    if not token.isascii() or not token.isprintable() or " " in token:
        raise SubmissionError(
            f"{place}: holds no token, which is one word of printable ASCII characters on one line. {_TOKEN_ADVICE}"
        )
    return token


def _check_server(address: str, headers: dict[str, str]) -> None:
    """Ask for the version, for whatever may be at the address."""
    try:
        answer = limited(lambda: requests.get(f"{address}/api/version", headers=headers, timeout=PROBE_SECONDS))
    except OSError as error:  # as requests' errors are
        raise SubmissionError(f"{address}: no Ray dashboard answers ({_reason(error)}). {_ADVICE}") from None
    refused = answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
    if refused and "WWW-Authenticate" not in answer.headers:  # a token is not asked for by that header
        problem = "does not take this token: it is wrong or has expired" if headers else "asks for a token"
        raise SubmissionError(f"{address}: the cluster {problem}. {_TOKEN_ADVICE}")
    there = _ray_version(answer)
    if not there:
        raise SubmissionError(f"{address}: what answers is no Ray dashboard (HTTP {answer.status_code}). {_ADVICE}")
    here = importlib.metadata.version("ray")
    if there.split(".")[:2] != here.split(".")[:2]:
        raise SubmissionError(
            f"{address}: the cluster runs Ray {there}, but this environment has {here}, and resablate is tested with"
            f" that; start the cluster with Ray {here} (constraints.txt), or install ray=={there} here"
        )


def _ray_version(answer: requests.Response) -> str:
    try:
        content: Any = answer.json()
    except ValueError:
        return ""
    return str(content.get("ray_version", "")) if isinstance(content, dict) and answer.ok else ""


def _reason(error: Exception) -> str:
    """The innermost of the reasons that are packed into each other, in one line."""
    return " ".join(str(error).split()).rsplit(": ", 1)[-1].strip("'\")( ") or type(error).__name__
