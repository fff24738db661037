"""Filing: what trials send is stored on disk at once and handed to the tracker behind their back."""

from __future__ import annotations

import logging
import queue
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from resablate.figures import draw_all
from resablate.measurement import EpochMetrics
from resablate.result import RESULT_FILE, WEIGHTS_FILE, TrialResult
from resablate.spec import TrialSpec
from resablate.sweep import SweepSpec
from resablate.tracking import SweepStatus, Tracker
from resablate.training import write_bytes

log = logging.getLogger(__name__)


class Filing:
    """The one writer of a sweep.

    A finished trial is first written to the spool folder, then filed by a thread in the background; it leaves the
    spool when the tracker has it. So training never waits for the tracker and never fails with it, and what could
    not be filed is filed when the sweep is run again.

    Args:
        tracker: where everything goes.
        spool: a folder of this sweep's own.
    """

    def __init__(self, tracker: Tracker, *, spool: Path) -> None:
        self._tracker = tracker
        self._spool = spool
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._problems: dict[str, None] = {}
        self._thread = threading.Thread(target=self._work, name="filing", daemon=True)

    def start(self, sweep: SweepSpec, *, trials: Sequence[TrialSpec], command: str) -> None:
        """Open the sweep's record and file what an earlier run of the sweep left in the spool.

        Raises:
            TrackingError: if the tracker cannot be used.
        """
        self._tracker.start_sweep(sweep, trials=trials, command=command)
        # Here and not in the background: a trial of these that is run again has the same place in the spool.
        for key, result in spooled(self._spool).items():
            self._attempt(lambda key=key, result=result: self._recover(self._spool / key, result))
        self._thread.start()

    def note_trial(self, spec: TrialSpec) -> None:
        """Note a trial that a search proposed and some other sweep has completed."""
        self._jobs.put(lambda: self._tracker.note_trial(spec))

    def start_trial(self, spec: TrialSpec) -> None:
        """Note that a trial began."""
        self._jobs.put(lambda: self._tracker.start_trial(spec))

    def epoch(self, key: str, metrics: EpochMetrics) -> None:
        """Note one epoch of a trial."""
        self._jobs.put(lambda: self._tracker.log_epoch(key, metrics))

    def finish_trial(self, result: TrialResult, *, weights: bytes | None) -> None:
        """Store a trial's outcome and have it filed.

        Args:
            result: everything measured.
            weights: the content of a safetensors file.
        """
        place = self._spool / result.key
        if weights is not None:
            write_bytes(place / WEIGHTS_FILE, weights)
        write_bytes(place / RESULT_FILE, result.to_json().encode())
        self._jobs.put(lambda: self._file(place))

    def end(self, status: SweepStatus) -> list[str]:
        """Wait until everything is filed and close the sweep's record.

        Returns:
            One line for everything that could not be filed.
        """
        self._jobs.put(lambda: self._tracker.end_sweep(status))
        self._jobs.put(None)
        self._thread.join()
        return list(self._problems)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._attempt(job)

    def _attempt(self, job: Callable[[], None]) -> None:
        try:
            job()
        except Exception as error:  # whatever the tracker or a drawing raises, the trials go on
            log.exception("filing failed")
            self._problems[f"{type(error).__name__}: {error}"] = None

    def _recover(self, place: Path, result: TrialResult) -> None:
        if result.key in self._tracker.complete_keys():  # the process ended between filing it and taking it out
            shutil.rmtree(place)
            return
        self._tracker.start_trial(result.spec)
        self._file(place)

    def _file(self, place: Path) -> None:
        result = TrialResult.from_json((place / RESULT_FILE).read_bytes())
        weights = place / WEIGHTS_FILE
        self._tracker.finish_trial(
            result,
            weights=weights if weights.exists() else None,
            figures=draw_all(result),
        )
        shutil.rmtree(place)


def spooled(spool: Path) -> dict[str, TrialResult]:
    """Key -> every result in the spool that waits to be filed; what another version wrote there is passed over."""
    found: dict[str, TrialResult] = {}
    for file in sorted(spool.glob(f"*/{RESULT_FILE}")):
        try:
            found[file.parent.name] = TrialResult.from_json(file.read_bytes())
        except ValueError as error:
            log.warning("%s: not a result that can be read, passed over (%s)", file, str(error).partition("\n")[0])
    return found
