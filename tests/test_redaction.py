"""Addresses that hold a password."""

import sys

import pytest

from resablate.commands.console import command_line
from resablate.redaction import holds_password, redact, without_password

SHOWN = {
    "https://me:secret@host:5000/a@b": "https://***@host:5000/a@b",
    "postgresql+psycopg://me:se@cret@host/db": "postgresql+psycopg://***@host/db",
    "postgresql://me:se/cret@host/db": "postgresql://***@host/db",
    "postgresql://host/db?user=me&password=secret&sslmode=on": "postgresql://host/db?user=me&password=***&sslmode=on",
}
OPEN = ["http://host:5000", "http://host:5000/x@y", "sqlite:////a/b@c.db", "memory:", "postgresql://host/db?sslmode=on"]


@pytest.mark.parametrize("uri", SHOWN)
def test_a_password_is_not_shown(uri: str) -> None:
    assert redact(uri) == SHOWN[uri]
    assert holds_password(uri)
    assert without_password(f"cannot use {uri}", uri) == f"cannot use {SHOWN[uri]}"


def test_a_message_about_an_address_loses_its_passwords() -> None:
    uri = "postgresql://me:se@cret@host/db?password=other"
    assert (
        without_password(f"{uri}: 'se@cret' and 'other' are wrong", uri) == f"{redact(uri)}: '***' and '***' are wrong"
    )


@pytest.mark.parametrize("uri", OPEN)
def test_what_holds_none_is_shown_as_it_is(uri: str) -> None:
    assert redact(uri) == uri
    assert not holds_password(uri)
    assert without_password(f"about {uri}", uri) == f"about {uri}"


def test_a_user_name_is_no_password() -> None:
    assert not holds_password("postgresql://me@host/db")
    assert redact("postgresql://me@host/db") == "postgresql://***@host/db"


def test_the_command_that_is_kept_holds_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/resablate", "sweep", "a b.yaml", "--tracking-uri", "http://me:secret@host"])
    assert command_line() == "resablate sweep 'a b.yaml' --tracking-uri 'http://***@host'"
