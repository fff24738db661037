"""`resablate list`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from resablate.commands.console import Json, out
from resablate.commands.json_output import RECORDS, described, print_json, print_records, schema
from resablate.commands.json_records import RowRecord
from resablate.errors import UnknownName

if TYPE_CHECKING:
    from resablate.commands.tables import Description


def list_(
    table: Annotated[str | None, typer.Argument(help="shortcuts, orderings, datasets, ...")] = None,
    *,
    as_json: Json = False,
) -> None:
    """List the rows of a table, or the tables."""
    if table == "json":  # which needs none of the tables, nor what they load
        _list_json(as_json=as_json)
        return
    from resablate.commands.tables import TABLES, describe

    names = [*TABLES, "fields", "json"]
    if table is None:
        print_json(json.dumps(names)) if as_json else out.print(", ".join(names), highlight=False)
        return
    if table not in names:
        raise UnknownName("table", table, names, listing="resablate list")
    rows = [_row(row) for row in describe(table)]
    if as_json:
        print_records(rows)
    else:
        _show(rows)


def _list_json(*, as_json: bool) -> None:
    """What `--json` prints, by verb: in words, or the schemas themselves."""
    if as_json:
        print_json(json.dumps({verb: schema(verb) for verb in RECORDS}, indent=1))
    else:
        _show(described())


def _show(rows: Sequence[RowRecord]) -> None:
    shown = Table(box=None, pad_edge=False)
    for heading in ("name", "takes", "what it is"):
        shown.add_column(heading, overflow="fold")
    for row in rows:
        shown.add_row(row.name, row.takes, row.what)
    out.print(shown, markup=False)


def _row(row: Description) -> RowRecord:
    return RowRecord(name=row.name, takes=row.takes, what=row.text)
