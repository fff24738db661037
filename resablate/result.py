"""`TrialResult`: everything that one trial measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from resablate.measurement import AnalysisResult, EpochMetrics
from resablate.spec import ParamValue, TrialSpec
from resablate.versions import versions

Status = Literal["finished", "diverged", "pruned", "failed"]
COMPLETE: tuple[Status, ...] = ("finished", "diverged")
"""A trial that ended so is a result and is never run again, whoever asks; a pruned one not by its own sweep."""
RESULT_FILE, WEIGHTS_FILE = "result.json", "weights.safetensors"
"""What a trial leaves in its folder, and the run that records it holds."""


AnalysisName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_. -]*$", max_length=100)]
"""Becomes the name of a file of the report, and what is read may have been written by somebody else."""


class TrialResult(BaseModel):
    """What happened in a trial: the record that is stored, compared and reported. JSON round trip, NaN included."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings", use_attribute_docstrings=True)

    spec: TrialSpec
    """What was asked."""
    status: Status
    """`diverged` is a result, as "fail" in He et al. (2016), Table 1; `pruned` was stopped before its last epoch."""
    reason: str = ""
    """Why the trial is not `finished`, in one line."""
    history: tuple[EpochMetrics, ...] = ()
    """One row per epoch."""
    test_error: float = float("nan")
    """Fraction of the test set, measured once at the end; NaN where the trial failed or was pruned."""
    test_loss: float = float("nan")
    """Nats per example."""
    analyses: dict[AnalysisName, AnalysisResult] = Field(default_factory=dict[str, AnalysisResult])
    """Name -> what it measured."""
    analyses_by_epoch: dict[int, dict[AnalysisName, AnalysisResult]] = Field(
        default_factory=dict[int, dict[str, AnalysisResult]]
    )
    """Epoch -> name -> what it measured then; 0 is the network before its first step."""
    analysis_knobs: dict[str, dict[str, ParamValue]] = Field(default_factory=dict[str, dict[str, ParamValue]])
    """Name -> the knobs it was repeated with where they are not the spec's."""
    analysis_errors: dict[str, str] = Field(default_factory=dict[str, str])
    """Name -> why it measured nothing; the trial's other numbers stand."""
    parameter_count: int = 0
    """Trainable numbers in the network."""
    wall_seconds: float = 0.0
    """Spent on this trial, analyses included, summed over interruptions."""
    versions: dict[str, str] = Field(default_factory=dict[str, str])
    """resablate, torch, python, git commit, host, device: where the numbers come from."""

    @property
    def key(self) -> str:
        """The trial's content key."""
        return self.spec.key

    def without_tables(self) -> TrialResult:
        """The same with the summaries of its analyses alone: what a search goes by, and little to keep or send."""
        summaries = {name: replace(found, table={}, axes={}) for name, found in self.analyses.items()}
        return self.model_copy(update={"analyses": summaries, "analyses_by_epoch": {}})

    @property
    def repeated(self) -> list[str]:
        """`lesion lesion_examples=50` for each analysis that was repeated with other knobs than the trial's."""
        return [
            " ".join([name, *(f"{knob}={value}" for knob, value in knobs.items())])
            for name, knobs in self.analysis_knobs.items()
        ]

    def to_json(self) -> str:
        """The record as JSON; numbers that are not finite are the strings NaN, Infinity and -Infinity."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> TrialResult:
        """The record that `to_json` wrote."""
        return cls.model_validate_json(text)


def failed_result(spec: TrialSpec, error: BaseException | str, *, status: Status = "failed") -> TrialResult:
    """The record of a trial that could not end, with its reason in one line."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    reason = next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")
    return TrialResult(spec=spec, status=status, reason=reason, versions=versions("unknown"))
