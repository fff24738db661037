"""`resablate list`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from resablate.commands.console import out
from resablate.errors import UnknownName


def list_(
    table: Annotated[str | None, typer.Argument(help="shortcuts, orderings, datasets, ...")] = None,
) -> None:
    """List the rows of a table, or the tables."""
    from resablate.commands.tables import TABLES, describe

    if table is None:
        out.print(", ".join([*TABLES, "fields"]), highlight=False)
        return
    if table != "fields" and table not in TABLES:
        raise UnknownName("table", table, [*TABLES, "fields"])
    shown = Table(box=None, pad_edge=False)
    for heading in ("name", "takes", "what it is"):
        shown.add_column(heading, overflow="fold")
    for row in describe(table):
        shown.add_row(*row)
    out.print(shown, markup=False)
