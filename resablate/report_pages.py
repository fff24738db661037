"""The pages of a report: plain values in templates, and text that is never markup."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent


def markdown_text(text: object) -> str:
    """`text` as one line that Markdown shows as it is: without markup, tables, lists or HTML."""
    line = " ".join(str(text).split())
    line = re.sub(r"([\\`*\[\]|~#!]|\b_|_\b)", r"\\\1", line)
    line = re.sub(r"^(\d*)([-+.)])(?=\s)", r"\1\\\2", line)
    return html.escape(line, quote=False)


def _words(name: object) -> str:
    """A column's or analysis's name as a heading; a parameter such as `shortcut.bias` keeps its name."""
    text = str(name)
    return text if re.fullmatch(r"[a-z_]+\.[a-z_]+", text) else text.replace("_", " ")


def _code(text: object) -> str:
    """`text` between `<pre>` and `</pre>` in Markdown."""
    return html.escape(str(text), quote=False)


def render_page(template: str, content: Mapping[str, Any]) -> str:
    """One page of a report.

    Args:
        template: the name of its file beside this one.
        content: what it says, as plain values; everything in it is shown as text, whoever wrote it.
    """
    # Of Markdown the template passes every text through a filter: quotes need no entities there.
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=template.endswith(".html.jinja"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(markdown=markdown_text, words=_words, code=_code)
    return environment.get_template(template).render(content)
