"""`resablate stop`."""

from __future__ import annotations

from typing import Annotated

import typer

from resablate.commands.console import Json, out
from resablate.commands.json_output import print_record
from resablate.commands.json_records import StopRecord
from resablate.errors import ResablateError


def stop(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Of a trial that is running, or its first digits.")],
    *,
    as_json: Json = False,
) -> None:
    """End a running trial after its epoch; the others go on. Its sweep must run in this folder, or in one it shares."""
    from resablate.storage.locations import TRIALS, work_folder
    from resablate.storage.locks import is_running
    from resablate.storage.stop_requests import request_stop
    from resablate.trial_names import whole_name

    begun = sorted(folder for folder in work_folder().glob(f"*/{TRIALS}/*") if folder.is_dir())
    key = whole_name(key, (folder.name for folder in begun))
    folders = [folder for folder in begun if folder.name == key]
    running = [folder for folder in folders if is_running(folder.parents[1])]
    if not running:
        why = "its sweep is not running here" if folders else "no trial with this key is under way here"
        raise ResablateError(f"{key}: {why}; resablate status NAME says where the trials of a sweep stand")
    for folder in running:
        request_stop(folder)
    sweep = running[0].parents[1].name
    if as_json:
        print_record(StopRecord(key=key, sweep=sweep))
        return
    out.print(
        f"{key}: ends after the epoch that it is at, and counts as pruned; sweep {sweep} goes on without it,"
        f" now and when it is run again; to train it after all: resablate sweep FILE --rerun {key}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
