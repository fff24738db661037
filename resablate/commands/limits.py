"""How much of a sweep one submission runs, as somebody typed it: for here, or for a job elsewhere."""

from __future__ import annotations

from resablate.commands.assignments import parse_count, parse_duration
from resablate.commands.refusals import Refusals


def check_limits(
    refusals: Refusals, *, retry: str | None, max_trials: str | None, time_budget: str | None
) -> tuple[int | None, float | None]:
    """The most trials and seconds of a submission; what is wrong with these options of `resablate sweep` is noted."""
    if retry not in (None, "failed"):
        refusals.add(f"--retry: takes the word failed, got {retry!r}")
    most = None if max_trials is None else refusals.of(lambda: parse_count(max_trials, place="--max-trials"))
    seconds = None if time_budget is None else refusals.of(lambda: parse_duration(time_budget, place="--time-budget"))
    return most, seconds
