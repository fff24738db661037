"""The records as a whole: whether they can be opened, those in a folder, and those that wait in one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from resablate.checkups.interface import Fault, Scope
from resablate.errors import DamagedResult, TrackingError
from resablate.redaction import redact
from resablate.storage.files import file_digest
from resablate.storage.locations import records_folder
from resablate.storage.result_folders import read_result
from resablate.tracking.folder_results import RESULTS
from resablate.tracking.folder_submissions import list_problem, read_submission


def stores(scope: Scope) -> Iterator[Fault]:
    """Records that cannot be opened; then the folders alone are looked at."""
    if scope.unread:
        yield Fault(redact(scope.uri), scope.unread.removeprefix(f"{redact(scope.uri)}: "), "mend this first")


def offline(scope: Scope) -> Iterator[Fault]:
    """Records in a folder that are damaged."""
    folder = records_folder(scope.uri)
    for name in scope.names if folder else ():
        assert folder is not None
        try:
            problem = list_problem(folder / name) if read_submission(folder / name) else ""
        except DamagedResult as error:
            problem = _without(folder / name, error)
        if problem:
            yield Fault(str(folder / name), problem, "the next sweep writes it anew")
        for place in sorted((folder / name / RESULTS).glob("[!.]*")):
            yield from _of_result(place)


def _of_result(place: Path) -> Iterator[Fault]:
    try:
        weights = read_result(place).weights
    except DamagedResult as error:
        yield Fault(str(place), _without(place, error), "the next sweep trains it again")
        return
    except TrackingError as error:
        yield Fault(str(place), _without(place, error), "see that it can be read: it may be whole")
        return
    for file, expected in weights.values():
        problem = "its content is not what was written"
        try:
            if file_digest(file) == expected:
                continue
        except OSError as error:
            problem = f"it cannot be read ({error.strerror})"
        yield Fault(str(file), problem, "the result counts, and new questions cannot be asked")


def _without(place: Path, error: TrackingError) -> str:
    return str(error).removeprefix(f"{place}: ")
