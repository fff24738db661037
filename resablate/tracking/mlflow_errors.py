"""What MLflow, its database, the disk or the network raises, as an error of ours."""

from __future__ import annotations

from http import HTTPStatus
from http.client import HTTPException

from resablate.errors import TrackerAway, TrackingError, without_statement
from resablate.redaction import redact
from resablate.storage.files import DISK_FULL

REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_LOGIN_ADVICE = (
    "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to those of somebody who may do this on the server; in a"
    " job of a cluster, where the cluster starts"
)

_READ_ONLY = "attempt to write a readonly database"
"""What sqlite says, whose source is "Result and Extended Result Codes", SQLITE_READONLY."""
_WRITE_ADVICE = "give this user the right to write the file and its folder, or name another --tracking-uri"


def tracking_error(error: Exception, *, doing: str, uri: str) -> TrackingError:
    """`error` in one line, with what was done; a TrackerAway where the same request may succeed later."""
    status = _status(error)
    said = without_statement(error)
    advice = f" {_LOGIN_ADVICE}" if status in REFUSED else ""
    if _READ_ONLY in said:
        advice = f"; {_WRITE_ADVICE}"
    kind = TrackerAway if _is_away(error, status) else TrackingError
    return kind(f"{redact(uri)}: {doing} failed: {said}{advice}")


def _status(error: Exception) -> int | None:
    """HTTP's, of MLflow's answer, or of an artifact's, which comes by requests; None where there was no answer."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return error.get_http_status_code()
    answer = getattr(error, "response", None)
    return None if answer is None else int(answer.status_code)


def _is_away(error: Exception, status: int | None) -> bool:
    """A status from 400 to 499 is a refusal, but for two of them; MLflow gives its own calls that were cut a 500."""
    if status is not None:
        return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _LATER
    is_cut = isinstance(error, ConnectionError | TimeoutError | HTTPException) or hasattr(error, "request")
    return is_cut or (isinstance(error, OSError) and error.errno in DISK_FULL)
