"""`resablate doctor`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from resablate.commands.console import Json, TrackingUri, out
from resablate.commands.json_keeping import DoctorRecord, FaultRecord
from resablate.commands.json_output import print_record
from resablate.errors import ResablateError, ResourceError, TrackingError

if TYPE_CHECKING:
    from resablate.checkups import Checkup, Fault, Scope


def doctor(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A sweep's name; all sweeps if left out.", show_default=False)
    ] = None,
    *,
    mend: Annotated[bool, typer.Option("--mend", help="Mend what can be mended without losing anything.")] = False,
    as_json: Json = False,
    tracking_uri: TrackingUri = None,
) -> None:
    """Say what is wrong with the records, study and files of sweeps, and what mends it; exit code 1 if anything is."""
    from resablate.checkups import CHECKUPS
    from resablate.scheduling.ray_sessions import ended_sessions, sessions_folder

    notes: list[str] = []
    say = notes.append if as_json else _say
    scope = _scope(name, tracking_uri, say)
    faults = list(_faults(scope))
    if kept := sum(not sessions.killed for sessions in ended_sessions()):
        say(f"no fault: files of {kept} ended sweeps in {sessions_folder()}; the next sweep on Ray removes them")
    _say_what_waits(scope, say)
    looked = f"{', '.join(scope.names) or 'no sweep'} ({', '.join(CHECKUPS)})"
    if not as_json:
        for kind, fault in faults:
            say(f"{kind}: {fault.place}: {fault.problem}; {fault.remedy}")
        say(f"{len(faults)} wrong: {looked}" if faults else f"sound: {looked}")
    left = _mend(scope, say) if mend and faults else len(faults)
    if as_json:
        records = [_record(kind, fault) for kind, fault in faults]
        print_record(DoctorRecord(sweeps=list(scope.names), faults=records, left=left, notes=notes))
    elif mend and faults:
        say(f"{left} left")
    elif any(fault.mend for _, fault in faults):
        say("to mend what can be mended, add --mend")
    if left:
        sys.exit(1)


def _record(kind: str, fault: Fault) -> FaultRecord:
    return FaultRecord(
        checkup=kind,
        place=fault.place,
        problem=fault.problem,
        remedy=fault.remedy,
        mendable=fault.mend is not None,
    )


def _scope(name: str | None, uri: str | None, say: Callable[[str], None]) -> Scope:
    """What is there to be looked at; sweeps that are being run are left out, and said."""
    from resablate.checkups import Scope
    from resablate.storage.locations import is_sweep_name, records_folder, sqlite_file, tracking_uri, work_folder
    from resablate.storage.locks import is_running
    from resablate.storage.sqlite_files import sqlite_problem
    from resablate.tracking import MlflowExaminer
    from resablate.tracking.folder_tracker import FolderTracker
    from resablate.tracking.opening import MEMORY
    from resablate.tracking.unknown_sweeps import unknown_sweep

    place, work = tracking_uri(uri), work_folder()
    file, records = sqlite_file(place), None
    names = dict.fromkeys(path.name for path in sorted(work.glob("*")) if path.is_dir() and is_sweep_name(path.name))
    # MLflow makes its tables in a file that is empty, and what is wrong with it is a fault of its own.
    unread, at_work = "", dict[str, str]()
    try:
        if folder := records_folder(place):
            kept = FolderTracker(folder)
            names = dict.fromkeys([*filter(is_sweep_name, kept.sweeps()), *names])
            at_work = {lease.claim.sweep: str(lease.claim.owner) for lease in kept.leases() if lease.taken}
        elif place != MEMORY and not (file and file.exists() and sqlite_problem(file)):
            opened = MlflowExaminer(place)
            names, at_work, records = dict.fromkeys([*opened.sweeps(), *names]), opened.running(), opened
    except TrackingError as error:  # a fault of its own: what lies in folders is looked at
        unread = str(error)
    if name is not None and name not in names:
        raise TrackingError(unread) if unread else unknown_sweep(place, name, names)
    chosen = list(names) if name is None else [name]
    at_work |= {name: "a process in this folder" for name in chosen if is_running(work / name)}
    for running in [name for name in chosen if name in at_work]:
        say(f"{running}: {at_work[running]} runs it, so it is not looked at")
        chosen.remove(running)
    return Scope(records, place, chosen, work, unread)


def _say_what_waits(scope: Scope, say: Callable[[str], None]) -> None:
    """That results of `sweep --offline` have not been filed here."""
    from resablate.storage.locations import OFFLINE, home
    from resablate.tracking import open_tracker
    from resablate.tracking.folder_tracker import FolderTracker

    if scope.records is None:
        return
    kept = FolderTracker(home() / OFFLINE).complete_keys()
    try:
        waiting = kept.keys() - open_tracker(scope.uri).complete_keys() if kept else ()
    except TrackingError:  # which is told as a fault
        return
    if waiting:
        say(f"no fault: {len(waiting)} results wait in {home() / OFFLINE}; resablate sync {OFFLINE} files them")


def _faults(scope: Scope) -> Iterator[tuple[str, Fault]]:
    """All that is wrong, by the name of the checkup that finds it."""
    from resablate.checkups import CHECKUPS, Fault
    from resablate.storage.locations import printable

    for kind, look in CHECKUPS.items():
        found: dict[tuple[str, str], Fault] = {}
        errors = [_look(look, scope, found)]
        if errors[0] and scope.names:  # each by itself: a sweep that cannot be looked at hides no other
            errors = [_look(look, scope._replace(names=[name]), found) for name in scope.names]
        for error in filter(None, errors):
            found["", error] = Fault("cannot be looked at", error, "mend this first")
        for fault in found.values():
            shown = map(printable, (fault.place, fault.problem, fault.remedy))
            yield kind, Fault(*shown, mend=fault.mend)


def _look(look: Checkup, scope: Scope, found: dict[tuple[str, str], Fault]) -> str:
    """Add what is found and was not found before; why it could not be looked, empty if it could."""
    try:
        for fault in look(scope):
            found.setdefault((fault.place, fault.problem), fault)
    except ResablateError as error:
        return str(error) or type(error).__name__
    return ""


def _mend(scope: Scope, say: Callable[[str], None]) -> int:
    """Mend what can be mended, while no sweep can be begun here or elsewhere; how much is wrong afterwards."""
    from resablate.storage.locations import TRIALS, records_folder
    from resablate.storage.locks import exclusive_lock, wait_for_workers
    from resablate.storage.spool import SPOOL
    from resablate.tracking import MlflowExaminer

    names: list[str] = []
    known = () if scope.records is None and not records_folder(scope.uri) else _sweeps(scope.uri)
    with ExitStack() as held:
        for name in scope.names:
            if (scope.work / name).is_symlink():
                say(f"not mended: {name}: its folder {scope.work / name} is a link")
                continue
            try:
                held.enter_context(exclusive_lock(scope.work / name, name, parts=(SPOOL, TRIALS)))
                wait_for_workers(scope.work / name, name, seconds=0)
                if name in known:
                    held.enter_context(_lease(scope.uri, name))
            except (ResourceError, TrackingError) as error:
                say(f"not mended: {error}")
            else:
                names.append(name)
        for kind, fault in _faults(scope._replace(names=names)):
            if fault.mend:
                _act(kind, fault, say)
    afresh = MlflowExaminer(scope.uri) if scope.records else None  # one reads each record once
    return sum(1 for _ in _faults(scope._replace(records=afresh)))


def _sweeps(uri: str) -> list[str]:
    from resablate.tracking import open_tracker

    return open_tracker(uri).keeping().sweeps()


@contextmanager
def _lease(uri: str, name: str) -> Generator[None]:
    """Holds the lease of a sweep that is in the records.

    Raises:
        LeaseTaken: if another process holds it.
    """
    from resablate.tracking import open_tracker

    tracker = open_tracker(uri)
    tracker.claim_sweep(name)
    try:
        yield
    finally:
        tracker.release_sweep()


def _act(kind: str, fault: Fault, say: Callable[[str], None]) -> None:
    assert fault.mend is not None
    try:
        fault.mend()
    except (ResablateError, OSError) as error:
        say(f"not mended: {kind}: {fault.place}: {error}")
    else:
        say(f"mended: {kind}: {fault.place}")


def _say(line: str) -> None:
    out.print(line, markup=False, highlight=False, soft_wrap=True)
