"""`resablate ui`."""

from __future__ import annotations

from typing import Annotated

import typer

from resablate.commands.console import TrackingUri, err


def ui(
    sweep: Annotated[str | None, typer.Argument(metavar="[SWEEP", help="Whose pages are wanted.")] = None,
    view: Annotated[
        str | None,
        typer.Argument(metavar="[VIEW]]", help="One of results, lesions, gradients, search, trials."),
    ] = None,
    *,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="A free one if 0.")] = 0,
    tracking_uri: TrackingUri = None,
) -> None:
    """Open the MLflow UI on the results: serves it on this machine until Ctrl-C."""
    from resablate.tracking import serve_ui

    serve_ui(
        tracking_uri,
        port=port,
        sweep=sweep,
        view=view,
        say=lambda text: err.print(text, markup=False, highlight=False, soft_wrap=True),
    )
