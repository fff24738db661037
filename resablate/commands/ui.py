"""`resablate ui`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from resablate.commands.console import Json, TrackingUri, err
from resablate.commands.json_keeping import PagesRecord
from resablate.commands.json_output import print_record

if TYPE_CHECKING:
    from resablate.tracking import UiPages


def ui(
    sweep: Annotated[str | None, typer.Argument(metavar="[SWEEP", help="Whose pages are wanted.")] = None,
    view: Annotated[
        str | None,
        typer.Argument(
            metavar="[VIEW]]", help="One of results, lesions, gradients, parallel (of a search: search), trials."
        ),
    ] = None,
    *,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="A free one if 0.")] = 0,
    as_json: Json = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Open the MLflow UI on the results: serves it on this machine until Ctrl-C."""
    from resablate.tracking import serve_ui

    serve_ui(tracking_uri, port=port, sweep=sweep, view=view, tell=_print_pages if as_json else _tell)


def _print_pages(found: UiPages) -> None:
    print_record(PagesRecord(**found._asdict()))


def _tell(found: UiPages) -> None:
    lines = [f"{title}: {address}" for title, address in found.pages.items()]
    if found.served:
        lines = [
            f"MLflow UI: {found.address}  (a few seconds from now; Ctrl-C ends it)",
            *(f"  {line}" for line in lines),
            "  Who has a link may see and change everything; it ends with this command.",
        ]
    for line in lines:
        err.print(line, markup=False, highlight=False, soft_wrap=True)
