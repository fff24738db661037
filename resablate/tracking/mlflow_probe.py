"""Whether an MLflow server answers, within seconds: MLflow's own calls try again for minutes."""

from __future__ import annotations

import re
import ssl
import urllib.error
import urllib.request
from http.client import HTTPException

from resablate.tracking.mlflow_errors import REFUSED

_HEALTH, _API = "/health", "/api/2.0/mlflow/experiments/search?max_results=1"
"""A hosted server may hand on what is below /api alone."""
_LOGIN = re.compile(r"(?<=://)[^/]*@")
"""To the last @: a token may hold one."""


def why_no_server(uri: str, *, seconds: float) -> str:
    """Why there is no MLflow server at an address; empty where one answers, also one that refuses the user.

    Args:
        uri: http:// or https://, with a user name or a token or without.
        seconds: how long it may take to answer.
    """
    found = ""
    for asked in (_HEALTH, _API):
        try:
            # What asks here knows no logins: MLflow's own calls say what is missing.
            with urllib.request.urlopen(_LOGIN.sub("", uri.rstrip("/")) + asked, timeout=seconds):
                return ""
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in REFUSED:
                return ""
            found = found or f"what answers is no working MLflow server (/health: HTTP {error.code})"
        except (OSError, ValueError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLError):
                return ""  # it is there: MLflow's own settings say which certificates are trusted
            return f"no MLflow server answers (asked for {asked}, waited at most {seconds:g} s: {reason})"
    return found
