"""The address of a Ray cluster, looked at before Ray is: Ray itself waits for minutes, and says it in a traceback."""

from __future__ import annotations

import os
import re
import socket

from resablate.errors import ResourceError
from resablate.redaction import redact

_ADDRESS = re.compile(r"(?:ray://)?(?P<host>\[[0-9a-fA-F:]+\]|[\w.-]+):(?P<port>\d{1,5})")
_FOUND_BY_RAY = ("auto", "local")
_CONNECT_SECONDS = 5.0


def check_ray_address() -> None:
    """Raise ResourceError unless $RAY_ADDRESS is empty, or an address where something answers."""
    address = os.environ.get("RAY_ADDRESS", "")
    if not address or address in _FOUND_BY_RAY:
        return
    shown = f"RAY_ADDRESS={redact(address)}"
    if (found := _ADDRESS.fullmatch(address)) is None:
        hint = "; that of a dashboard goes with resablate submit --address" if address.startswith("http") else ""
        raise ResourceError(f"{shown}: not the address of a Ray cluster, HOST:PORT, ray://HOST:PORT or auto{hint}")
    try:
        socket.create_connection((found["host"].strip("[]"), int(found["port"])), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ResourceError(
            f"{shown}: no Ray cluster answers there ({error}); unset RAY_ADDRESS for a Ray on this machine alone, or"
            " use --inline"
        ) from None


def cannot_start(error: Exception) -> ResourceError:
    """What is told of a Ray that could be neither joined nor started."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no reason given"]
    address = os.environ.get("RAY_ADDRESS", "")
    where = f"the cluster at RAY_ADDRESS={redact(address)} cannot be joined" if address else "Ray cannot start here"
    return ResourceError(f"{where} ({type(error).__name__}: {lines[0][:300]}); --inline runs a sweep without Ray")
