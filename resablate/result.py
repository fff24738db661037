"""`TrialResult`: one training and everything that was measured of its network."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from pydantic import BaseModel, ConfigDict

from resablate.measurement import AnalysisResult, EpochMetrics, FailedMeasurement, Measurement
from resablate.question import TEST, Question
from resablate.spec import TrainSpec
from resablate.versions import versions

Status = Literal["finished", "diverged", "pruned", "failed"]
COMPLETE: tuple[Status, ...] = ("finished", "diverged")
"""A training that ended so is never run again, whoever asks; a pruned one not by its own sweep."""
RESULT_FILE, WEIGHTS_FILE = "result.json", "weights.safetensors"
"""What a trial leaves in its folder, and the run that records it holds."""


def weights_file(epoch: int | None) -> str:
    """The name of the file with the weights after an epoch; those of the end where None."""
    return WEIGHTS_FILE if epoch is None else f"after-epoch-{epoch:06d}.safetensors"


class TrialResult(BaseModel):
    """What happened in a trial: the record that is stored, compared and reported. JSON round trip, NaN included."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings", use_attribute_docstrings=True)

    spec: TrainSpec
    """What was trained."""
    status: Status
    """`diverged` is a result, as "fail" in He et al. (2016), Table 1; `pruned` was stopped before its last epoch."""
    reason: str = ""
    """Why the trial is not `finished`, in one line."""
    history: tuple[EpochMetrics, ...] = ()
    """One row per epoch."""
    measurements: tuple[Measurement, ...] = ()
    """What questions to the network gave, each question once."""
    failed_measurements: tuple[FailedMeasurement, ...] = ()
    """Questions that got no answer, and why; the trial's other numbers stand."""
    kept_epochs: tuple[int, ...] = ()
    """Epochs whose weights are stored, besides the end's."""
    parameter_count: int = 0
    """Trainable numbers in the network."""
    wall_seconds: float = 0.0
    """Spent on this trial, analyses included, summed over interruptions."""
    pack_size: int = 1
    """Trials that trained as one network with this one, itself included, in the epoch when they were most."""
    use: dict[str, float] = {}
    """What its process used while it trained here: `cpu_percent`, 100 a core, `memory_mib` at most; `gpu_` likewise."""
    versions: dict[str, str] = {}
    """resablate, torch, python, git commit, host, device: where the numbers come from."""

    @property
    def key(self) -> str:
        """The training's content key."""
        return self.spec.key

    @property
    def analyses(self) -> dict[str, AnalysisResult]:
        """Name -> what was measured at the end; see `named`."""
        return {name: result for (name, epoch), result in self._named().items() if epoch is None}

    @property
    def analyses_by_epoch(self) -> dict[int, dict[str, AnalysisResult]]:
        """Epoch -> name -> what was measured then; 0 is the network before its first step."""
        found: dict[int, dict[str, AnalysisResult]] = {}
        for (name, epoch), result in sorted(self._named().items(), key=lambda item: item[0][1] or 0):
            if epoch is not None:
                found.setdefault(epoch, {})[name] = result
        return found

    def _named(self) -> dict[tuple[str, int | None], AnalysisResult]:
        """An analysis by its own name where it was asked with one set of arguments; others with their arguments."""
        found: dict[tuple[str, int | None], AnalysisResult] = {}
        plain: dict[str, object] = {}
        for measurement in self.measurements:
            question = measurement.question
            first = plain.setdefault(question.analysis.name, question.analysis)
            name = question.analysis.name if first == question.analysis else _distinct_name(question)
            found[name, question.epoch] = measurement.result
        return found

    @property
    def analysis_errors(self) -> dict[str, str]:
        """Question in words -> why it got no answer."""
        return {str(failed.question): failed.reason for failed in self.failed_measurements}

    @property
    def test_error(self) -> float:
        """Fraction of the test set; NaN where the test was not run."""
        return self._tested("error")

    @property
    def test_loss(self) -> float:
        """Nats per example; NaN where the test was not run."""
        return self._tested("loss")

    def _tested(self, number: str) -> float:
        tested = self.analyses.get(TEST)
        return tested.summary[number] if tested else math.nan

    @property
    def measured(self) -> frozenset[str]:
        """Ids of the questions that were answered."""
        return frozenset(measurement.question.id for measurement in self.measurements)

    @property
    def unmeasured(self) -> frozenset[str]:
        """Ids of the questions that got no answer."""
        return frozenset(failed.question.id for failed in self.failed_measurements)

    def with_measurements(
        self, measurements: Iterable[Measurement], failures: Iterable[FailedMeasurement] = ()
    ) -> TrialResult:
        """The same with answers added; a question that was answered before keeps its place and gets the new answer.

        A failure does not take the place of an answer.
        """
        answers = {m.question.id: m for m in (*self.measurements, *measurements)}
        failed = {f.question.id: f for f in (*self.failed_measurements, *failures) if f.question.id not in answers}
        return self.model_copy(
            update={"measurements": tuple(answers.values()), "failed_measurements": tuple(failed.values())}
        )

    def in_order_of(self, questions: Sequence[Question]) -> TrialResult:
        """The same with the answers to `questions` first, so that they go by the plain names of their analyses."""
        places = {question.id: place for place, question in enumerate(questions)}
        ordered = sorted(self.measurements, key=lambda m: places.get(m.question.id, len(places)))
        return self.model_copy(update={"measurements": tuple(ordered)})

    def without_tables(self) -> TrialResult:
        """The same with the summaries of its analyses alone: what a search goes by, and little to keep or send."""
        brief = [
            replace(m, result=replace(m.result, table={}, axes={}, outcomes=None))
            for m in self.measurements
            if m.question.epoch is None
        ]
        return self.model_copy(update={"measurements": tuple(brief)})

    def to_json(self) -> str:
        """The record as JSON; numbers that are not finite are the strings NaN, Infinity and -Infinity."""
        # A record of a version that did not look at its process stays byte for byte what it was.
        return self.model_dump_json(exclude=None if self.use else {"use"})

    @classmethod
    def from_json(cls, text: str | bytes) -> TrialResult:
        """The record that `to_json` wrote."""
        return cls.model_validate_json(text)


def _distinct_name(question: Question) -> str:
    """The name of an analysis that is asked with several sets of arguments."""
    return question.name if question.analysis.arguments else f"{question.name} defaults"


def pruned_result(
    spec: TrainSpec,
    reason: str,
    history: Sequence[EpochMetrics],
    *,
    parameter_count: int,
    versions: dict[str, str],
    pack_size: int = 1,
) -> TrialResult:
    """The record of a trial that was stopped after an epoch that is not its last; no question is put to it."""
    return TrialResult(
        spec=spec,
        status="pruned",
        reason=reason,
        history=tuple(history),
        parameter_count=parameter_count,
        wall_seconds=sum(metrics.wall_seconds for metrics in history),
        pack_size=pack_size,
        versions=versions,
    )


def failed_result(spec: TrainSpec, error: BaseException | str, *, status: Status = "failed") -> TrialResult:
    """The record of a trial that could not end, with its reason in one line."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    reason = next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")
    return TrialResult(spec=spec, status=status, reason=reason, versions=versions("unknown"))
