"""What `--json` prints of verbs that check, run and measure trials."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

RECORD = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
"""What a program reads: every field is described, and there are no others."""


class TrialRecord(BaseModel):
    """One trial of a sweep."""

    model_config = RECORD

    trial: str
    """Its name for people."""
    key: str
    state: str
    """pending, running, finished, diverged, pruned or failed."""
    epoch: int
    """Epochs that are filed."""
    epochs: int
    """Epochs that it trains for."""
    reason: str
    """Why it is not finished, in one line."""
    run: str
    """Id of the run that records it; empty if there is none."""
    missing: list[str]
    """Questions that it has not been asked."""
    unanswered: list[str]
    """Questions that got no answer."""
    params: dict[str, Any]
    """Every field and argument, defaults too."""


class StatusRecord(BaseModel):
    """`resablate status NAME`."""

    model_config = RECORD

    sweep: str
    counts: dict[str, int]
    """State -> trials."""
    at_most: int
    """Trials that there may be in the end."""
    to_come: int
    """Those of them that a search has still to add; 0 where it has ended."""
    running_here: bool
    """Whether a process runs it now, from this folder."""
    rounds: str
    """How far its rounds of seeds are; empty where there are none."""
    with_questions: bool
    """Whether `missing` and `unanswered` of the trials are known: not where torch is not installed."""
    kept: str
    """Of records in a folder, where that is and how they are filed elsewhere; empty for all others."""
    trials: list[TrialRecord]


class OutcomeRecord(BaseModel):
    """`resablate sweep FILE`, `resablate trial` and `resablate clone`."""

    model_config = RECORD

    sweep: str
    planned: int
    """Trials that the sweep has."""
    reused: int
    """Trials that were complete before."""
    ended: dict[str, int]
    """Status -> trials that ended now."""
    ended_before: dict[str, int]
    """Status -> trials that ended before without being complete, and were not run again."""
    remaining: int
    """Trials that have not ended."""
    asked_again: int
    """Trials of before that answered questions now."""
    stopped_by: str
    """What ended the sweep early; empty if nothing did."""
    not_filed: list[str]
    no_answer: list[str]
    """One line for each question that got no answer."""
    records: str
    """Where they are, and how to look at them."""
    seconds: float
    exit_code: int


class PreviewTrialRecord(BaseModel):
    """One trial that a sweep has, or would have."""

    model_config = RECORD

    trial: str
    """Its name for people."""
    key: str
    state: str
    """pending, running, finished, diverged, pruned or failed."""
    would_run: bool
    would_be_asked: list[str]
    """Questions that it has not been asked."""


class PreviewRecord(BaseModel):
    """`resablate sweep FILE --dry-run` and `resablate clone KEY --dry-run`."""

    model_config = RECORD

    sweep: str
    trials: list[PreviewTrialRecord]
    """Those that are known: a search proposes the others one by one."""
    count: int
    """Trials that the sweep has, at most with those that a search would propose and that replicate its winner."""
    complete: int
    would_run: int
    """Trials that would run now, at most where a search proposes them."""
    would_replicate: int
    """Those of them at most that train the winner and the baseline with new seeds, once the search has ended."""
    questions: int
    """Questions that would be put to trained networks."""
    rounds: str
    """How far its rounds of seeds are; empty where there are none."""
    notes: list[str]


class CostRecord(BaseModel):
    """What one trial would cost."""

    model_config = RECORD

    trial: str
    key: str
    parameters: int
    multiply_adds: int
    """Of one image forward."""
    seconds: float


class CheckRecord(BaseModel):
    """`resablate check FILE`."""

    model_config = RECORD

    sweep: str
    trials: list[CostRecord]
    """Those that are known: of a search, some like those that it will propose; none without torch."""
    count: int
    """Trials to begin with."""
    at_most: int
    """Trials with those that are added as others end."""
    seconds: float | None
    """Of all that there are to begin with, one after another; None where torch is not installed."""
    unit: str
    """`one CPU core`, or the GPU's name."""
    basis: str
    """What the seconds go by."""
    asked: list[str]
    """What is asked of each."""
    notes: list[str]


class ReportRecord(BaseModel):
    """`resablate report NAME`."""

    model_config = RECORD

    sweep: str
    page: str
    """The page's file."""
    ended: int
    """Trials that the report is of."""
    missing: int
    """Trials that have not ended."""
    to_come: int
    """Trials at most that a search has still to add; 0 where it has ended."""
    verdicts: dict[str, str]
    """Claim -> its verdict, of the claims that something was compared for."""
    links: dict[str, str]
    """Title -> address, or the command that opens it."""


class RowRecord(BaseModel):
    """`resablate list TABLE`, a list of these."""

    model_config = RECORD

    name: str
    takes: str
    what: str


class AnswerRecord(BaseModel):
    """One number that an analysis gave."""

    model_config = RECORD

    key: str
    """Of the trial; ADAPTER:NAME of a network of another package."""
    analysis: str
    number: str
    value: float | None
    """None where it is not finite."""
    unit: str


class AnalyzeRecord(BaseModel):
    """`resablate analyze TARGET`."""

    model_config = RECORD

    target: str
    asked: int
    """Trials that something was asked of."""
    answered: int
    numbers: list[AnswerRecord]
    problems: list[str]
    folder: str = ""
    """Of the tables and figures of a network of another package."""


class CalibrationRecord(BaseModel):
    """`resablate calibrate`."""

    model_config = RECORD

    device: str
    file: str
    measured: str


class StopRecord(BaseModel):
    """`resablate stop KEY`."""

    model_config = RECORD

    key: str
    sweep: str
