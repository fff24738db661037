"""What a claim and a verdict are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from resablate.result import TrialResult

Outcome = Literal["supported", "contradicted", "undecided", "not tested"]
"""`undecided`: measured, but the difference is within the spread of the seeds or below a threshold."""


@dataclass(frozen=True)
class Verdict:
    """What the measured results say about a claim."""

    outcome: Outcome
    measured: str
    """The numbers that decide it, or what is missing."""


@dataclass(frozen=True)
class Claim:
    """One published sentence as a check on results.

    Args:
        statement: the sentence, in our words.
        source: paper, section and table.
        published: the paper's own numbers.
        check: results -> verdict; its docstring states the rule, and the report prints it.
    """

    statement: str
    source: str
    published: str
    check: Callable[[Sequence[TrialResult]], Verdict]

    @property
    def rule(self) -> str:
        """When the verdict is what: the docstring of `check`, on one line."""
        return " ".join((inspect.getdoc(self.check) or "").split())


def combine(verdicts: Sequence[Verdict], *, missing: str) -> Verdict:
    """The verdict over several settings: a claim is supported only if it is in every setting that tests it.

    Args:
        verdicts: one for each setting.
        missing: what would have to be measured where there is no setting at all.
    """
    tested = [verdict for verdict in verdicts if verdict.outcome != "not tested"]
    if not tested:
        return verdicts[0] if verdicts else Verdict("not tested", missing)
    outcomes = {verdict.outcome for verdict in tested}
    outcome: Outcome = (
        "contradicted" if "contradicted" in outcomes else "undecided" if "undecided" in outcomes else "supported"
    )
    return Verdict(outcome, "; ".join(verdict.measured for verdict in tested))
