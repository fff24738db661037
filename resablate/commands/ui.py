"""`resablate ui`."""

from __future__ import annotations

from typing import Annotated

import typer

from resablate.commands.console import TrackingUri, err


def ui(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="A free one if 0.")] = 0,
    tracking_uri: TrackingUri = None,
) -> None:
    """Open the MLflow UI on the results: serves it on this machine until Ctrl-C."""
    from resablate.tracking import serve_ui

    serve_ui(
        tracking_uri,
        port=port,
        say=lambda text: err.print(text, markup=False, highlight=False, soft_wrap=True),
    )
