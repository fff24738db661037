"""ResultWriter: what trials send is stored on disk at once and handed to the tracker behind their back."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from resablate.errors import LeaseLost, LeaseTaken, ResablateError, TrackerAway, TrackingError, TrialComplete
from resablate.failures import reason_of
from resablate.measurement import EpochMetrics
from resablate.result import TrialResult, failed_result
from resablate.scheduling.pictures import pictures
from resablate.spec import TrainSpec
from resablate.storage.spool import clear, read_spooled, spooled, take_out, write_spooled
from resablate.sweep import SweepSpec
from resablate.tracking import SweepStatus, Tracker

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
"""Between two looks for a tracker that cannot be reached."""
_TRIES = 30
"""How often a request is made again that fails as if the tracker were away, while others are answered."""


class ResultWriter:
    """The one writer of a sweep.

    A finished trial is first written to the spool folder, then filed by a thread in the background; it leaves the
    spool when the tracker has it. So training never waits for the tracker and never fails with it. While the tracker
    cannot be reached, everything waits its turn; what has not been filed when the sweep ends is filed when it is run
    again.

    Args:
        tracker: where everything goes.
        spool: a folder of this sweep's own.
        grace_seconds: how long `end` waits for a tracker that cannot be reached.
    """

    def __init__(self, tracker: Tracker, *, spool: Path, grace_seconds: float = 10) -> None:
        self._tracker = tracker
        self._spool = spool
        self._grace_seconds = grace_seconds
        self._sweep = ""
        """Its name, once it was started."""
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._problems: dict[str, None] = {}
        self._waiting = spooled(spool)
        self._opened = threading.Event()
        """Set once the record is open, or cannot be opened."""
        self._writable = False
        self._away = False
        """Whether the last request found no tracker."""
        self._late: set[str] = set()
        """Keys of trials that began while the tracker was away, and are not leased yet."""
        self._refused: set[str] = set()
        """Keys of trials that began without a lease, and that another sweep had leased by then."""
        self._unfinished: Callable[[], None] | None = None
        """What the thread is at."""
        self._starting = threading.Lock()
        self._rows: dict[str, list[EpochMetrics]] = {}
        """Key -> epochs that wait to be filed."""
        self._ended: set[str] = set()
        """Keys whose result waits to be filed, with all their epochs."""
        self._ending = threading.Event()
        self._given_up = False
        self._give_up_at: float | None = None
        self._thread = threading.Thread(target=self._work, name="filing", daemon=True)

    def start(self, sweep: SweepSpec, *, trials: Sequence[TrainSpec], command: str) -> None:
        """Open the sweep's record and file what an earlier run of the sweep had left in the spool.

        Until then, what trials send is kept.

        Raises:
            TrackingError: if the tracker cannot be used.
        """
        try:
            self._tracker.start_sweep(sweep, trials=trials, command=command)
            self._sweep = sweep.name
            self._file_waiting()
            self._writable = True
        finally:
            self._opened.set()
        self._go_on()

    def _file_waiting(self) -> None:
        """File what lies in the spool."""
        # Here and not in the background: a trial of these that is run again has the same place in the spool.
        there = {place.name for place in self._spool.glob("*")}  # whole or not
        complete = self._tracker.complete_keys() if there else {}
        filed = {key: run for key, run in complete.items() if key in there}
        damaged = self._tracker.check_results(filed) if filed else {}
        # The process ended between filing these and taking them out, or while it did.
        clear(self._spool, filed.keys() - damaged.keys())
        for key, result in self._waiting.items():
            if key not in filed or key in damaged:
                self._attempt(lambda result=result: self._recover(result), wait=lambda: False)

    def note_trial(self, spec: TrainSpec) -> None:
        """Note a trial that a search proposed and some other sweep has completed."""
        self._put(lambda: self._tracker.note_trial(spec))

    def start_trial(self, spec: TrainSpec) -> bool:
        """Whether a trial may be trained here: not where another sweep trains it, or has completed it.

        While the tracker is away it may, and is leased when that is back, before anything of it is filed.
        """
        self._opened.wait()
        if not self._writable:
            return False
        again = spec.key in self._ended  # its earlier end may still wait to be filed
        self._ended.discard(spec.key)
        if not (self._away or again or spec.key in self._late):
            try:
                self._tracker.start_trial(spec)
            except (LeaseTaken, LeaseLost) as error:
                log.info("%s", error)
                return False
            except Exception as error:  # filing tries again, and says so
                log.debug("%s", error)
            else:
                self._refused.discard(spec.key)
                return True
        self._late.add(spec.key)
        self._put(lambda: self._lease_late(spec))
        return True

    def epoch(self, key: str, metrics: EpochMetrics) -> None:
        """Note one epoch of a trial."""
        self._rows.setdefault(key, []).append(metrics)
        self._put(lambda: self._file_epochs(key))

    def finish_trial(self, result: TrialResult, *, weights: Mapping[str, bytes]) -> TrialResult:
        """Store a trial's outcome and have it filed.

        Args:
            result: everything measured.
            weights: name -> content of each safetensors file.

        Returns:
            What is filed: a failure where the disk did not take the result.
        """
        try:
            place = write_spooled(self._spool, result, weights=weights)
        except OSError as error:
            failed = failed_result(result.spec, reason_of(error))
            self._put(lambda: self._tracker.finish_trial(failed, weights={}, figures={}))
            return failed
        self._ended.add(result.key)
        self._put(lambda: self._file(place))
        self._put(lambda: self._tracker.update_cells(self._sweep, cell=result.spec.cell))
        return result

    def end(self, status: SweepStatus) -> list[str]:
        """Wait until everything is filed and close the sweep's record.

        Returns:
            One line for everything that could not be filed.
        """
        self._put(lambda: self._tracker.update_cells(self._sweep))
        self._put(lambda: self._tracker.end_sweep(status))
        self._jobs.put(None)
        self._ending.set()
        while self._go_on().join() or self._unfinished or not self._jobs.empty():
            continue
        return list(self._problems)

    def _put(self, job: Callable[[], None]) -> None:
        self._jobs.put(job)
        if self._thread.ident is not None:
            self._go_on()

    def _go_on(self) -> threading.Thread:
        """Have a thread at work, whatever ended an earlier one."""
        with self._starting:
            begun = self._thread.ident is not None
            if begun and not self._thread.is_alive() and (self._unfinished or not self._jobs.empty()):
                log.warning("the thread that files results ended early; another one goes on")
                if self._unfinished is None:
                    self._problems[
                        f"the thread that files results ended twice at the same; it waits in {self._spool}"
                    ] = None
                self._thread, begun = threading.Thread(target=self._work, name="filing", daemon=True), False
            if not begun:
                self._thread.start()
            return self._thread

    def _work(self) -> None:
        for job in iter(self._next_job, None):
            if not self._given_up:
                self._given_up = not self._attempt(job, wait=self._waited)
            self._unfinished = None

    def _next_job(self) -> Callable[[], None] | None:
        """What an earlier thread ended in, once more; else what is next."""
        if (job := self._unfinished) is not None:
            self._unfinished = None
            return job
        self._unfinished = self._jobs.get()
        return self._unfinished

    def _lease_late(self, spec: TrainSpec) -> None:
        """Lease a trial that began while the tracker was away."""
        try:
            self._tracker.start_trial(spec)
            self._refused.discard(spec.key)
        except LeaseTaken as error:
            log.warning("%s; what is trained of it here waits in %s", error, self._spool)
            self._refused.add(spec.key)
        self._late.discard(spec.key)

    def _attempt(self, job: Callable[[], None], *, wait: Callable[[], bool]) -> bool:
        """Do `job`, again when a tracker that could not be reached is back; False if it was not waited for."""
        again, told, tries = False, False, 0
        while True:
            try:
                job()
                self._away = False
                return True
            except LeaseLost as lost:
                self._problems[str(lost)] = None
                return False
            except Exception as error:  # whatever the tracker or a drawing raises, the trials go on
                self._away = away = isinstance(error, TrackingError) and not self._tracker.reachable()
                # One that is too busy, or has no room for this, answers other requests.
                tries += not away
                busy = isinstance(error, TrackerAway) and tries < _TRIES
                if (away or busy) and wait():
                    if not told:
                        log.warning("%s; results wait in %s until it can be filed", error, self._spool)
                    told = True
                    continue
                # A server that was away may answer by now: what fails once more is refused.
                if isinstance(error, TrackingError) and not away and not again:
                    again = True
                    continue
                if not isinstance(error, ResablateError):  # which says all there is to say, at the end
                    log.exception("filing failed")
                if away or busy:
                    self._problems[
                        f"the tracker does not answer; results wait in {self._spool} and are filed when the same"
                        f" command is run again ({type(error).__name__}: {error})"
                    ] = None
                else:
                    self._problems[f"{type(error).__name__}: {error}"] = None
                return not (away or busy)

    def _waited(self) -> bool:
        """Wait a little; False when the sweep has ended and waited long enough."""
        if not self._ending.wait(_RETRY_SECONDS):
            return True
        now = time.monotonic()
        self._give_up_at = self._give_up_at or now + self._grace_seconds
        time.sleep(max(0.0, min(_RETRY_SECONDS, self._give_up_at - now)))
        return now < self._give_up_at

    def _recover(self, result: TrialResult) -> None:
        self._refused.add(result.key)
        self._file(self._spool / result.key)

    def _file_epochs(self, key: str) -> None:
        """File the epochs of a trial that wait by now, in one request: the further behind, the more of them."""
        rows = tuple(self._rows.get(key, ()))
        if rows and key not in self._ended | self._refused:  # else the result files them in one request
            self._tracker.log_epoch(key, *rows)
        del self._rows.get(key, [])[: len(rows)]

    def _file(self, place: Path) -> None:
        result, weights = read_spooled(place)
        if result.key in self._refused:  # it is not leased yet
            try:
                self._tracker.start_trial(result.spec)
            except TrialComplete:
                take_out(place)
                return
            self._refused.discard(result.key)
        try:
            self._tracker.finish_trial(result, weights=weights, figures=pictures(result, self._tracker))
        except Exception:
            read_spooled(place)  # which says what is missing, if somebody has removed it meanwhile
            raise
        take_out(place)
