"""Telling an address of a person's that a sweep ended, failed, or needs somebody."""

from __future__ import annotations

import json
import logging
import os
import urllib.request
from http.client import HTTPException
from urllib.parse import urlsplit

log = logging.getLogger(__name__)

WEBHOOK_VARIABLE = "RESABLATE_WEBHOOK"
"""An address that takes a POST of JSON, such as that of a chat's incoming webhook; it may hold a secret."""
_SECONDS = 10


def announce(sweep: str, *, outcome: str, text: str) -> None:
    """POST `{"text": ..., "sweep": ..., "outcome": ...}` to `$RESABLATE_WEBHOOK`; nothing where it is not set.

    An address that does not answer is a warning: a sweep does not fail with it.

    Args:
        sweep: its name.
        outcome: `ended`, `failed` or `needs a person`.
        text: one line for people, which chats show.
    """
    if not (address := os.environ.get(WEBHOOK_VARIABLE)):
        return
    content = json.dumps({"text": text, "sweep": sweep, "outcome": outcome}).encode()
    try:
        # Of another kind, such as file:, nothing would be told.
        if not address.startswith(("http://", "https://")):
            raise ValueError("an address begins with http:// or https://")
        asked = urllib.request.Request(address, data=content, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(asked, timeout=_SECONDS):
            return
    except (OSError, ValueError, HTTPException) as error:
        # No more than the host: the rest of such an address is often a secret.
        place = urlsplit(address).hostname or "an address without a host"
        log.warning(
            "%s: %s was not told that %s %s (%s)", WEBHOOK_VARIABLE, place, sweep, outcome, type(error).__name__
        )
