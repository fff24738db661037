"""What a person sees while a sweep runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from math import inf, sqrt
from statistics import mean, stdev
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from resablate.result import Status, TrialResult
from resablate.spec import TrainSpec
from resablate.tracking import SweepStatus

_FEWEST_PACES = 3
"""Trials from which on their spread says something."""
_QUIET = 120.0
"""Seconds without a line after which an epoch is worth one, where no bar is drawn."""
_MOST_NAMED = 3
"""Running trials in such a line."""


class SweepProgress:
    """Told of every step of a sweep: counts endings, and shows where the sweep stands.

    On a terminal and in a notebook it draws a bar with the running trials; elsewhere it prints a line for every trial
    that ended, and one now and then while none does. The time left is the time since the first epoch, scaled by how
    much of the trials' estimated work is left, and its spread that of the trials' pace. Use it in a `with`.

    Args:
        trials: what is to run; a trial that a search proposes is known when it starts.
        label: trial -> its name for people.
        work: estimated work of a trial, in any one unit.
        console: where to write; progress belongs on stderr.
        total: how many trials there will be, where a search proposes them.

    Attributes:
        counts: trials that ended, by status.
        unanswered: one line for each question that got no answer.
    """

    def __init__(
        self,
        trials: Sequence[TrainSpec],
        *,
        label: Callable[[TrainSpec], str],
        work: Callable[[TrainSpec], float],
        console: Console,
        total: Callable[[], int] | None = None,
    ) -> None:
        self.counts: Counter[Status] = Counter()
        self.unanswered: list[str] = []
        self._trials = {spec.key: spec for spec in trials}
        self._label = label
        self._estimate = work
        self._work = {spec.key: work(spec) for spec in trials}
        self._known_work = sum(self._work.values())
        self._done_work = 0.0
        """Sums over all trials, kept up to date: an event costs the same however many trials there are."""
        self._total = total or (lambda: len(self._trials))
        self._console = console
        self._part: dict[str, float] = {}
        self._running: dict[str, str] = {}
        self._pack_of: dict[str, str] = {}
        """Key of a trial -> that of the first trial of its pack."""
        self._val_error: dict[str, float] = {}
        """Of the latest epoch of a trial."""
        self._began: dict[str, float] = {}
        """Key -> when it began, here or again."""
        self._paces: list[float] = []
        """Seconds for a unit of estimated work, of each trial that ended."""
        self._best = inf
        self._start = self._last_line = time.monotonic()
        self._rate_from = 0.0
        """When the first epoch was over: before that, processes start and load, which happens once."""
        self._rate_fraction = 0.0
        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=30),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            disable=not (console.is_terminal or console.is_jupyter),
        )
        self._task = self._bar.add_task("starting", total=1.0)

    def __enter__(self) -> Self:
        self._start = self._last_line = time.monotonic()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, sentence: str) -> None:
        """Show a sentence, above the bar."""
        self._last_line = time.monotonic()
        self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    def started(self, *pack: TrainSpec) -> None:
        """The trials of a pack began, or began again after an interruption."""
        for spec in pack:
            if spec.key not in self._trials:
                self._trials[spec.key] = spec
                self._work[spec.key] = self._estimate(spec)
                self._known_work += self._work[spec.key]
            self._running[spec.key] = self._label(spec)
            self._pack_of[spec.key] = pack[0].key
            self._began[spec.key] = time.monotonic()
            self._part.setdefault(spec.key, 0.0)
        self._refresh()

    def epoch(self, key: str, epoch: int, val_error: float | None) -> None:
        """A trial trained one epoch; `val_error` is None where no examples are held out."""
        spec = self._trials[key]
        # The test and the analyses after the last epoch count as one epoch more.
        self._advance(key, epoch / (spec.epochs + 1))
        if not self._rate_from:
            self._rate_from, self._rate_fraction = time.monotonic(), self._fraction()
        self._running[key] = f"{self._label(spec)} {epoch}/{spec.epochs}"
        if val_error is not None:
            self._val_error[key] = val_error
            self._running[key] += f" val {100 * val_error:.1f} %"
        if self._bar.disable and time.monotonic() - self._last_line > _QUIET:
            self.say(self._whole_standing(_MOST_NAMED))
        self._refresh()

    def put_off(self, key: str) -> None:
        """A trial is not trained here: another sweep trains it."""
        self._running.pop(key, None)
        self._refresh()

    def ended(
        self, key: str, *, status: Status, test_error: float, reason: str, gpu_percent: float | None = None
    ) -> None:
        """A trial ended; `gpu_percent` is how busy its GPU was, where that is known."""
        self._advance(key, 1.0)
        self._running.pop(key, None)
        if (began := self._began.pop(key, None)) is not None and self._work[key]:
            self._paces.append((time.monotonic() - began) / self._work[key])
        self.counts[status] += 1
        if status == "finished":
            self._best = min(self._best, self._val_error.get(key, inf))
        outcome = f"finished, test error {100 * test_error:.2f} %" if status == "finished" else f"{status}, {reason}"
        if status == "pruned":  # the reason says it
            outcome = reason
        if gpu_percent is not None:
            outcome += f", GPU {gpu_percent:.0f} % busy"
        self.say(
            f"[{self.counts.total()}/{self.total}] {self._label(self._trials[key])}: {outcome}; {self._standing()}"
        )
        self._refresh()

    def ended_with(self, result: TrialResult) -> None:
        """A trial ended with this result."""
        label = self._label(result.spec)
        self.unanswered += [f"{label}: {question}: {why}" for question, why in result.analysis_errors.items()]
        self.ended(
            result.key,
            status=result.status,
            test_error=result.test_error,
            reason=result.reason,
            gpu_percent=result.use.get("gpu_percent"),
        )

    @property
    def total(self) -> int:
        """How many trials there are, or will be."""
        return self._total()

    def sweep_status(self) -> SweepStatus:
        """How the sweep stands now that no trial runs any more."""
        if self.counts.total() < self.total:
            return "interrupted"
        return "failed" if self.counts["failed"] else "finished"

    def _advance(self, key: str, part: float) -> None:
        self._done_work += self._work[key] * (part - self._part.get(key, 0.0))
        self._part[key] = part

    def _fraction(self) -> float:
        total = self._known_work
        if self._work:  # a trial that is not proposed yet counts as the mean of those that are
            total *= max(1.0, self.total / len(self._work))
        return self._done_work / total if total else 1.0

    def _time(self) -> str:
        now, fraction = time.monotonic(), self._fraction()
        so_far = f"{clock(now - self._start)} so far"
        done = fraction - self._rate_fraction
        if not self._rate_from or done <= 0:
            return so_far
        left = (now - self._rate_from) * (1 - fraction) / done
        return f"{so_far}, about {clock(left)} left{self._spread(left)}"

    def _spread(self, left: float) -> str:
        """`(2 min 10 s to 4 min 00 s)`: two standard errors of the trials' pace around what it says is left.

        The pace of a trial is the seconds that it took for each unit of its estimated work.
        """
        if len(self._paces) < _FEWEST_PACES or not left:
            return ""
        part = 2 * stdev(self._paces) / mean(self._paces) * sqrt(1 / len(self._paces))
        return f" ({clock(max(0.0, left * (1 - part)))} to {clock(left * (1 + part))})"

    def _standing(self) -> str:
        parts = [self._running_in_words()] if self._running else []
        parts += [f"{count} {status}" for status, count in self.counts.items() if status != "finished"]
        parts += [f"best val {100 * self._best:.2f} %"] if self._best < inf else []
        return "; ".join(part for part in (", ".join(parts), self._time()) if part)

    def _whole_standing(self, named: int | None = None) -> str:
        """With the running trials, or so many of them."""
        running = list(self._running.values())[:named]
        more = ["..."] if len(running) < len(self._running) else []
        return f"{self.counts.total()}/{self.total} done, {self._standing()}  {' | '.join(running + more)}"

    def _running_in_words(self) -> str:
        packs = len({self._pack_of[key] for key in self._running})
        shared = f" in {packs} pack{'s' * (packs > 1)}" if packs < len(self._running) else ""
        return f"{len(self._running)} running{shared}"

    def _refresh(self) -> None:
        if self._bar.disable:
            return
        self._bar.update(self._task, completed=self._fraction(), description=self._whole_standing())


def clock(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - a minute
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004 - an hour
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
