"""Addresses that may hold a password, and how they are shown."""

import re

# To the last @: a password may hold one; a slash too where people forget to write it as %2F, but no port does.
_LOGIN = re.compile(r"(?<=://)(?:[^/]*|[^/:]*:(?!\d+/).*)@")
_PASSWORD = re.compile(r"://[^:@/]*:([^/]+|(?!\d+/).+)@")
_QUERY = re.compile(r"([?&][^=&]*(?:password|passwd|secret|token)[^=&]*=)([^&\s]+)", re.IGNORECASE)


def redact(uri: str) -> str:
    """The address without user name and password."""
    if uri.startswith("sqlite"):  # a file has neither, and its name may hold an @
        return uri
    return _QUERY.sub(r"\1***", _LOGIN.sub("***@", uri))


def holds_password(uri: str) -> bool:
    """Whether the address tells a password to whoever reads it."""
    return not uri.startswith("sqlite") and bool(_PASSWORD.search(uri) or _QUERY.search(uri))


def without_password(text: str, uri: str) -> str:
    """`text`, such as another package's message about `uri`, without the passwords that the address holds."""
    if not holds_password(uri):
        return text
    text = text.replace(uri, redact(uri))
    for password in [*_PASSWORD.findall(uri), *(value for _, value in _QUERY.findall(uri))]:
        text = text.replace(password, "***")
    return text
