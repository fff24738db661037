"""What `--json` prints of verbs that list, file, send, mend and show what there is."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from resablate.commands.json_records import RECORD, TrialRecord


class SweepRecord(BaseModel):
    """`resablate sweeps`, a list of these."""

    model_config = RECORD

    sweep: str
    question: str
    """In the sweep's own words, or made from its axes; empty if it cannot be read."""
    counts: dict[str, int]
    """State -> trials."""
    to_come: int
    """Trials at most that a search has still to add; 0 where it has ended."""
    problem: str
    """Why it cannot be read; empty if it can."""


class RunsRecord(BaseModel):
    """`resablate runs NAME`."""

    model_config = RECORD

    sweep: str
    trials: list[TrialRecord]


class ForgottenRecord(BaseModel):
    """`resablate rm NAME`."""

    model_config = RECORD

    sweep: str
    trials: int
    """Trials whose records are gone."""


class SyncedRecord(BaseModel):
    """`resablate sync FOLDER`, a list of these, one for each sweep in it."""

    model_config = RECORD

    sweep: str
    filed: int
    """Results that were not in the records."""
    amended: int
    """Results that were there without some of their measurements."""
    there: int
    """Results that were there."""
    without_weights: int
    """Networks that came without their weights."""


class JobRecord(BaseModel):
    """`resablate submit FILE`; what the job prints goes to stderr."""

    model_config = RECORD

    sweep: str
    job: str
    """Its id on the cluster."""
    attached: bool
    """Whether it was under way before."""
    status: str
    """SUCCEEDED, FAILED or STOPPED; empty where it was not followed to its end."""
    exit_code: int | None
    """None where it was not followed to its end."""


class FaultRecord(BaseModel):
    """One thing that is wrong."""

    model_config = RECORD

    checkup: str
    """What found it."""
    place: str
    problem: str
    remedy: str
    mendable: bool
    """Whether `--mend` mends it."""


class DoctorRecord(BaseModel):
    """`resablate doctor`."""

    model_config = RECORD

    sweeps: list[str]
    """Those that were looked at."""
    faults: list[FaultRecord]
    left: int
    """Faults that are there yet: all of them without `--mend`."""
    notes: list[str]
    """What was not looked at, and what was and was not mended."""


class PagesRecord(BaseModel):
    """`resablate ui`; it is printed when the server starts, which ends with the command."""

    model_config = RECORD

    address: str
    """Of the first page."""
    pages: dict[str, str]
    """Title -> address."""
    served: bool
    """Whether this command serves them; else a server does that runs already."""


class ClaimRecord(BaseModel):
    """`resablate claims`, a list of these."""

    model_config = RECORD

    claim: str
    statement: str
    source: str
    needs: str
    """What a sweep must vary to test it."""


class ClaimPlanRecord(BaseModel):
    """`resablate claims --plan CLAIM ...`."""

    model_config = RECORD

    sweep: str
    content: dict[str, Any]
    """The sweep file's, which any YAML or JSON writer turns into one."""
    file: str
    """Where it was written; empty without `--output`."""
    count: int
    """Trials to begin with."""
    at_most: int
    """Trials with those that further rounds of seeds may add."""
    seconds: float
    """Of all that there are to begin with, one after another on one CPU core: estimated, not measured."""
    gpu_seconds: float
    """The same on one large GPU, an H200."""
    notes: list[str]


class VerdictRecord(BaseModel):
    """`resablate claims SWEEP ...`, a list of these."""

    model_config = RECORD

    claim: str
    statement: str
    verdict: str
    """supported, contradicted, equivalent, undecided or not tested."""
    numbers: str
    """The difference with its interval, in words."""
    compared: str
    """The comparison that the verdict hangs on; of it are the numbers."""
    difference: float | None
    low: float | None
    high: float | None
    level: float
    """Of the interval."""
    seeds: list[int]
    """Trainings of each cell."""
    look: int | None
    """Which look decided it, from 1 on, where seeds came in rounds."""
    method: str
    what_would_decide: str
    seeds_needed: int | None
    """Of each cell, for the published effect at 80 % power."""
    notes: list[str]
    published: list[str]
    """Published numbers that stand for what was compared."""
    parts: dict[str, str]
    """Comparison -> its own verdict."""
