"""A claim about cells: what was estimated, and what it comes to at a given level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

import numpy as np

from resablate.statistics.argument_rules import check_choice, check_number, check_share
from resablate.statistics.conjunction import every
from resablate.statistics.contrasts import FEW_SEEDS, Pairing, contrast, difference
from resablate.statistics.estimate import Array, Estimate, Interval
from resablate.statistics.planning import seeds_from_estimate
from resablate.statistics.sample import Sample
from resablate.statistics.scales import Scale
from resablate.statistics.step_down import holm_levels
from resablate.statistics.verdict import Evidence, Verdict, decide, evidence_of_difference, evidence_of_equivalence

Side = Literal["lower", "higher"]

ONE_SEED = "one seed: the noise of seeds is unknown, and a second training has to run"


class Estimated(Protocol):
    """Anything with a value and an interval at every level: an `Estimate`, a `Rate`."""

    @property
    def value(self) -> Array:
        """The number."""
        ...

    @property
    def seeds(self) -> tuple[int, ...]:
        """The number of trainings in each cell."""
        ...

    @property
    def method(self) -> str:
        """How, in words."""
        ...

    @property
    def correlation(self) -> Array | None:
        """Of cells over shared seeds."""
        ...

    def interval(self, level: float = 0.05) -> Interval:
        """At an error rate of `level`."""
        ...


@dataclass(frozen=True)
class Decision:
    """A verdict and everything it stands on.

    Attributes:
        verdict: one of five.
        difference: positive where the claim is right; against several rivals, that to the one least clearly beaten.
        low: the lower end of its interval at `level`, in the units of the outcomes or of the scale.
        high: the upper end.
        level: the error rate of this decision, corrected for the other claims of the report.
        seeds: the number of trainings in each cell.
        p_value: the least level at which anything would have been decided.
        method: how, in words.
        correlation: of the cells' errors over shared seeds, if they share any.
        seeds_needed: where undecided or of one seed, the trainings of each cell that would decide a difference of the
            published size with 80 % power; None where that is unknown, or the test set is too small for any number.
        plan: what that number stands on, in words.
        missing: where not tested, what would have to run.
        parts: the same for each rival or setting, corrected for their number.
    """

    verdict: Verdict
    difference: float
    low: float
    high: float
    level: float
    seeds: tuple[int, ...]
    p_value: float
    method: str
    correlation: float | None = None
    seeds_needed: int | None = None
    plan: str = ""
    missing: str = ""
    parts: "Mapping[str, Decision]" = field(default_factory=dict[str, "Decision"])


@dataclass(frozen=True)
class Comparison:
    """What was estimated for one claim; a verdict comes with the level that the report has left for it.

    Attributes:
        estimate: the claimed difference, positive where the claim is right.
        evidence: its p-values.
        published: the published size of the difference, on the scale of the estimate; None if there is none.
        missing: what would have to run before anything is said; empty if nothing.
        planned: the estimate that a plan stands on, where cells of fewer than three seeds lean on a prior; else None.
        parts: the same for each rival or setting of a claim about several.
    """

    estimate: Estimated
    evidence: Evidence
    published: float | None = None
    missing: str = ""
    planned: Estimate | None = None
    parts: "Mapping[str, Comparison]" = field(default_factory=dict[str, "Comparison"])

    @property
    def testable(self) -> bool:
        """Whether anything can be decided with what has run, whatever it came to."""
        return not self.missing or any(part.testable for part in self.parts.values())

    @property
    def p_value(self) -> float:
        """The least level at which something is decided; with a part missing, another may still contradict."""
        found = 2 * self.evidence.contradicted if self.missing else self.evidence.p_value
        return min(float(found), 1.0)

    @property
    def side_p_value(self) -> float:
        """The least level at which a side is called, by which claims share one level."""
        found = 2 * self.evidence.contradicted if self.missing else self.evidence.side_p_value
        return min(float(found), 1.0)

    @property
    def _lacks_seeds_alone(self) -> bool:
        """Whether everything has run, some of it with one seed."""
        parts = self.parts.values() or [self]
        return all(part.missing in ("", ONE_SEED) for part in parts)

    def decide(self, level: float = 0.05) -> Decision:
        """The verdict at an error rate of `level`.

        A claim of which a part is missing is not tested, unless another part contradicts it; where a second seed is all
        that is missing it is undecided.
        """
        check_share("level", level)
        count = max(len(self.parts), 1)
        ends = self.estimate.interval(level / count)
        verdict = Verdict(str(decide(self.evidence, level)))
        if self.missing and verdict is not Verdict.CONTRADICTED:
            verdict = Verdict.UNDECIDED if self._lacks_seeds_alone else Verdict.NOT_TESTED
        needed, plan = self._plan(level) if verdict.is_open else (None, "")
        correlation = self.estimate.correlation
        return Decision(
            verdict=verdict,
            difference=float(self.estimate.value),
            low=float(ends.low),
            high=float(ends.high),
            level=level,
            seeds=self.estimate.seeds,
            p_value=self.p_value,
            method=self.estimate.method + (f", each of {count}, corrected" if self.parts else ""),
            correlation=None if correlation is None else float(correlation),
            seeds_needed=needed,
            plan=plan,
            missing=self.missing,
            parts=self._decided_parts(level),
        )

    def _plan(self, level: float) -> tuple[int | None, str]:
        """The seeds that would decide the published size, and what that stands on."""
        basis = self.planned or self.estimate
        if self.published is None or not isinstance(basis, Estimate):
            return None, ""
        needed = seeds_from_estimate(basis, abs(self.published), level=level)
        return needed, basis.method if needed else ""

    def _decided_parts(self, level: float) -> dict[str, Decision]:
        if not self.parts:
            return {}
        levels = holm_levels([part.side_p_value for part in self.parts.values()], level=level)
        return {name: part.decide(float(own)) for (name, part), own in zip(self.parts.items(), levels, strict=True)}


def compare(
    claimed: Sample,
    rival: Sample,
    *,
    margin: float,
    side: Side = "lower",
    published: float | None = None,
    pairing: Pairing = "auto",
    scale: Scale = "identity",
) -> Comparison:
    """The claim that the mean outcome of `claimed` lies on `side` of that of `rival`.

    Args:
        claimed: the cell that is claimed to be better.
        rival: the one that was named before anything was measured.
        margin: differences below it do not matter (`default_margin`); on `scale`.
        side: on which `claimed` is claimed to lie: errors and losses "lower".
        published: the published size of the difference, on `scale`.
        pairing: by seed, as in `contrast`.
        scale: on which means are compared.

    Raises:
        ValueError: unless margin is a finite number of at least 0, `published` is finite, and side, pairing and scale
            are among those there are.
    """
    check_choice("side", side, get_args(Side))
    check_number("published", published)
    pair = (rival, claimed) if side == "lower" else (claimed, rival)
    estimate = difference(*pair, pairing=pairing, scale=scale)
    evidence = evidence_of_difference(estimate, margin=margin)
    planned = difference(*pair, pairing=pairing, scale=scale, prior="test_set") if _few(pair) else None
    return Comparison(estimate, evidence, published, ONE_SEED if estimate.one_seed else "", planned)


def _few(cells: Sequence[Sample]) -> bool:
    return any(cell.outcomes is not None and cell.count < FEW_SEEDS for cell in cells)


def compare_equivalent(
    cell: Sample, other: Sample, *, margin: float, pairing: Pairing = "auto", scale: Scale = "identity"
) -> Comparison:
    """The claim that two cells differ by less than `margin`: supported, contradicted or undecided."""
    estimate = difference(cell, other, pairing=pairing, scale=scale)
    evidence = evidence_of_equivalence(estimate, margin=margin)
    return Comparison(estimate, evidence, None, ONE_SEED if estimate.one_seed else "")


def compare_means(claimed: Sequence[Sample], rivals: Sequence[Sample], *, margin: float) -> Comparison:
    """The claim that the mean of several cells, one for each setting, is lower than that of their rivals.

    Settings are taken as independent where they have fewer than eight seeds in common. Every setting counts alike,
    however many trainings it has.

    Args:
        claimed: those that are claimed to be better.
        rivals: the others, setting by setting.
        margin: as in `compare`.

    Raises:
        ValueError: unless there is a rival for each of one cell or more, and for a margin as in `compare`.
    """
    if not claimed or len(claimed) != len(rivals):
        raise ValueError(f"each of one cell or more needs a rival, but got {len(claimed)} and {len(rivals)}")
    count = len(claimed)
    weights = [-1 / count] * count + [1 / count] * count
    settings = [(place, count + place) for place in range(count)]
    estimate = contrast([*claimed, *rivals], weights, settings=settings)
    evidence = evidence_of_difference(estimate, margin=margin)
    return Comparison(estimate, evidence, missing=ONE_SEED if estimate.one_seed else "")


def compare_with_every(
    claimed: Sample,
    rivals: Mapping[str, Sample],
    *,
    margin: float,
    side: Side = "lower",
    published: float | None = None,
    pairing: Pairing = "auto",
    scale: Scale = "identity",
) -> Comparison:
    """The claim that `claimed` is better than every one of `rivals`.

    Args:
        claimed: the cell that is claimed to be best.
        rivals: all others by name: every one of them, whatever it came to.
        margin: as in `compare`.
        side: as in `compare`.
        published: the smallest published difference.
        pairing: as in `compare`.
        scale: as in `compare`.

    Raises:
        ValueError: if there is no rival, or as in `compare`.
    """
    return in_every(
        {
            name: compare(claimed, rival, margin=margin, side=side, published=published, pairing=pairing, scale=scale)
            for name, rival in rivals.items()
        }
    )


def in_every(parts: Mapping[str, Comparison]) -> Comparison:
    """The claim that each of `parts` holds, such as one claim in each of several settings.

    Raises:
        ValueError: if there is no part.
    """
    evidence = every([part.evidence for part in parts.values()])
    nearest = max(parts.values(), key=lambda part: float(np.asarray(part.evidence.supported)))
    missing = "; ".join(f"{name}: {part.missing}" for name, part in parts.items() if part.missing)
    return Comparison(nearest.estimate, evidence, nearest.published, missing, nearest.planned, parts)
