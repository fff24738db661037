"""Leases in a folder of records. `leases` says how they work.

The lease of a sweep is a file in its folder; that of a trial is the file that counts its epochs, as long as the lease
under which it was written is there. They are read and changed under the lock of one file, so of two who claim at once
one comes first. Machines that share a folder need a file system that keeps such locks between them; else each machine
keeps a folder of its own, and `resablate sync` brings them together.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, final

from resablate.plain_json import read_json
from resablate.storage.files import make_folder, remove, write_bytes
from resablate.storage.locks import file_lock
from resablate.tracking.leases import TAKEN, Claim, Lease, Owner, Watch, lease_is_lost, this_process, trial_is_taken

RUNNING = "running"
"""In a sweep's folder: a file for each trial that was begun and has not ended."""
_LEASE, _LOCK = "lease.json", ".leases.lock"


class Begun(NamedTuple):
    """What is noted of a trial that has not ended."""

    epoch: int
    """How many epochs are done."""
    lease: str
    """Under which it was begun."""


def write_begun(folder: Path, key: str, begun: Begun) -> None:
    """Note how far a trial of the sweep in `folder` is."""
    write_bytes(folder / RUNNING / key, f"{begun.epoch} {begun.lease}".encode())


def begun_trials(folder: Path) -> dict[str, Begun]:
    """Key -> what is noted of it, of the trials of the sweep in `folder` that have not ended."""
    found: dict[str, Begun] = {}
    for path in sorted((folder / RUNNING).glob("[0-9a-f]*[0-9a-f]")):
        # What cannot be read says nothing, and is written over.
        text = path.read_text(encoding="ascii", errors="replace") if path.is_file() else ""
        epoch, _, lease = text.partition(" ")
        found[path.name] = Begun(int(epoch) if epoch.isdecimal() else 0, lease)
    return found


@final
class FolderLeases:
    """The lease that one holder has, and those of all sweeps in the folder.

    Args:
        folder: with a folder for each sweep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._watch = Watch()
        self._sweep = ""
        self.held = ""
        """The lease that is held; empty where none is."""

    def claim(self, sweep: str) -> str:
        """A new lease of a sweep.

        Raises:
            LeaseTaken: if another holder is at work; names it.
        """
        while True:
            ended = self._watch.wait_for_ended(sweep, lambda: filter(None, [self.of(sweep)]))
            with self.locked():
                now = self.of(sweep)
                if now and now.submission not in {claim.submission for claim, _ in ended}:
                    continue
                self._sweep, self.held = sweep, secrets.token_hex(8)
                self._write(Claim(self.held, sweep, this_process(), "", int(1000 * time.time())))
                return self.held

    def adopt(self, lease: str) -> None:
        """Go on with a lease that another process has claimed; the death of this one is its end from now on."""
        with self.locked():
            for claim in self._all():
                if claim.submission == lease:
                    self._sweep = claim.sweep
                    self._write(claim._replace(owner=this_process()))
        self.held = lease
        self.check()

    def held_of(self, sweep: str) -> str:
        """The lease that is held, if it is one of this sweep."""
        return self.held if self._sweep == sweep else ""

    def renew(self) -> None:
        """Keep the lease; raises LeaseLost if it is not held any more."""
        with self.locked():
            self.check()
            if self.held and (claim := self.of(self._sweep)):
                self._write(claim._replace(beat=secrets.token_hex(4)))

    def check(self) -> None:
        """Raise LeaseLost if the lease is not held any more; to be called before every write."""
        now = self.of(self._sweep) if self.held else None
        if self.held and (now is None or now.submission != self.held):
            raise lease_is_lost(self._sweep, now.owner if now else None)

    def check_trial(self, key: str) -> None:
        """Take a trial's lease from who has ended; to be called under `locked`.

        Raises:
            LeaseTaken: if another sweep's holder is at work.
        """
        for claim in self._all():
            begun = begun_trials(self._folder / claim.sweep).get(key)
            if begun is None or begun.lease != claim.submission or claim.submission == self.held:
                continue
            if self._watch.state(claim) in TAKEN:
                raise trial_is_taken(key, claim)
            remove(self._folder / claim.sweep / _LEASE)

    def leases(self, *, watch_seconds: float) -> list[Lease]:
        """All leases; arguments as those of `Tracker.leases`."""
        time.sleep(watch_seconds if any(self._watch.state(claim) == "unheard" for claim in self._all()) else 0)
        return [Lease(claim, self._watch.state(claim), self._keys(claim)) for claim in self._all()]

    def release(self) -> bool:
        """Give the lease back; whether it was held."""
        held, self.held = self.held, ""
        if not held:
            return False
        with self.locked():
            now = self.of(self._sweep)
            if now is None or now.submission != held:
                return False
            remove(self._folder / self._sweep / _LEASE)
            return True

    def of(self, sweep: str) -> Claim | None:
        """The lease of a sweep; None where nobody has one, or what is there is none."""
        try:
            told: dict[str, str] = read_json((self._folder / sweep / _LEASE).read_bytes())
            owner = Owner.parse(told["owner"])
            return Claim(told["lease"], sweep, owner, told["beat"], int(told["since"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @contextmanager
    def locked(self) -> Generator[None]:
        """While this is held, nobody else claims anything in the folder."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with file_lock(self._folder / _LOCK):
            yield

    def _all(self) -> Iterator[Claim]:
        found = (self.of(path.parent.name) for path in sorted(self._folder.glob(f"*/{_LEASE}")))
        return filter(None, found)

    def _keys(self, claim: Claim) -> frozenset[str]:
        begun = begun_trials(self._folder / claim.sweep)
        return frozenset(key for key, trial in begun.items() if trial.lease == claim.submission)

    def _write(self, claim: Claim) -> None:
        told = {"lease": claim.submission, "owner": claim.owner.tag, "beat": claim.beat, "since": str(claim.since)}
        make_folder(self._folder / claim.sweep)
        write_bytes(self._folder / claim.sweep / _LEASE, json.dumps(told).encode())
