"""Two cells compared: by their errors where they trained, by their failures where they did not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from resablate.claims.arms import listed
from resablate.claims.claim import Part, untested
from resablate.claims.measures import Measure, Unit
from resablate.claims.trials import ClaimCell, Measured
from resablate.statistics import Comparison, Rate, Sample, compare_rate, compare_rates
from resablate.statistics.estimate import Estimate
from resablate.statistics.verdict import NOTHING

Compare = Callable[[Sample, Sample], Comparison]
_LISTED = 6
"""Numbers of trainings that a sentence lists."""


@dataclass(frozen=True)
class Pair:
    """One cell and its rival in one setting, measured.

    Args:
        claimed: the cell that is claimed to be better.
        rival: the other.
        name: of the pair, for people.
    """

    claimed: Measured
    rival: Measured
    name: str

    @property
    def cells(self) -> tuple[ClaimCell, ClaimCell]:
        """Both."""
        return self.claimed.cell, self.rival.cell


def compare_pair(
    pair: Pair, measure: Measure, compare: Compare, *, margin: float, noun: str = "lower by"
) -> dict[str, Part]:
    """The parts of a claim that come of one pair, by name.

    Trainings that diverged are failures. Where all of a cell diverged, failures alone are compared. Where some of the
    claimed cell did, it has to fail less often too. Where some of the rival's did, the comparison is of those that
    finished, which favors the rival.
    """
    ours, theirs = pair.claimed.cell, pair.rival.cell
    if not ours.finished or not theirs.finished:
        return {f"{pair.name}, failures": failures(pair)}
    if pair.claimed.sample is None or pair.rival.sample is None:
        lacking = ours if pair.claimed.sample is None else theirs
        return {pair.name: Part(untested(_needed(lacking, measure)), measure.unit, cells=pair.cells)}
    if guessing(ours) and guessing(theirs):
        estimate = compare(pair.claimed.sample, pair.rival.sample).estimate
        return {
            pair.name: Part(
                Comparison(estimate, NOTHING),
                measure.unit,
                margin,
                noun=noun,
                cells=pair.cells,
                possible=measure.differences,
            )
        }
    found = compare(pair.claimed.sample, pair.rival.sample)
    parts = {pair.name: Part(found, measure.unit, margin, noun=noun, cells=pair.cells, possible=measure.differences)}
    if ours.diverged:
        parts[f"{pair.name}, failures"] = failures(pair)
    return parts


def _needed(cell: ClaimCell, measure: Measure) -> str:
    """What a cell lacks of a measure: the answer that holds it, or a number in that answer."""
    answered = any(m.question.analysis.name == measure.analysis for r in cell.results for m in r.measurements)
    if answered:
        return f"{measure.name} of {cell.spec.label()}: its {measure.analysis} gives no such number"
    return f"{measure.analysis or measure.name} of {cell.spec.label()}"


def failures(pair: Pair) -> Part:
    """The claim that the claimed cell fails less often than its rival."""
    ours, theirs = (Rate(cell.diverged, len(cell.results)) for cell in pair.cells)
    return Part(compare_rates(ours, theirs), "share", noun="failures less often by", cells=pair.cells)


def learns(cell: ClaimCell) -> Part:
    """The claim that a cell diverges, or does not learn, in fewer than half of its trainings."""
    rate = Rate(cell.diverged + cell.unlearned, len(cell.results))
    return Part(compare_rate(rate, side="below"), "share", reference=0.5, noun="does not learn in", cells=(cell,))


def guessing(cell: ClaimCell) -> bool:
    """Whether no training of the cell has learned."""
    return cell.diverged + cell.unlearned == len(cell.results)


def nobody_learned(measured: Sequence[Measured]) -> bool:
    """Whether no training of any of these cells has learned."""
    return bool(measured) and all(guessing(one.cell) for one in measured)


def notes_on(measured: Sequence[Measured], names: Sequence[str]) -> list[str]:
    """What a reader should know of the cells: failures, what has not learned, what lacks the number, test sets."""
    found: list[str] = []
    nobody = nobody_learned(measured)
    for one, name in zip(measured, names, strict=True):
        cell, count = one.cell, len(one.cell.results)
        if cell.diverged:
            found.append(f"{name}: {cell.diverged} of {count} trainings diverged")
        if cell.unlearned and not nobody:
            found.append(f"{name} has not learned in {cell.unlearned} of {count} trainings")
        if one.lacking:
            found.append(f"{name}: {one.lacking} of {count} trainings lack the number")
        if one.note:
            found.append(one.note)
    return [*found, *_notes_on_all(measured)]


def notes_on_many(measured: Sequence[Measured]) -> list[str]:
    """The same of cells that are too many to be told one by one."""
    unlearned = 0 if nobody_learned(measured) else sum(one.cell.unlearned > 0 for one in measured)
    lacking = sum(one.lacking > 0 for one in measured)
    found = [f"trainings of {unlearned} of {len(measured)} cells have not learned"] if unlearned else []
    found += [f"trainings of {lacking} of {len(measured)} cells lack the number"] if lacking else []
    return [*found, *(one.note for one in measured if one.note), *_notes_on_all(measured)]


def _notes_on_all(measured: Sequence[Measured]) -> list[str]:
    """What a reader should know of all cells together."""
    found: list[str] = []
    if nobody_learned(measured):
        found.append("no network has learned (its error is above half of that of guessing): this setting cannot decide")
    samples = [one.sample for one in measured if one.sample is not None]
    if len({s.examples for s in samples if s.outcomes is not None}) > 1:
        found.append("the test sets differ: compared without pairing by example")
    counts = [s.count for s in samples]
    if len(set(counts)) > 1:
        told = ", ".join(map(str, counts)) if len(counts) <= _LISTED else f"{min(counts)} to {max(counts)}"
        found.append(f"the cells have unequal numbers of trainings: {told}")
    return found


def pairing_note(part: Part) -> str:
    """Which trainings a comparison that is paired by seed takes no account of; empty where it uses all."""
    estimate = part.comparison.estimate
    if not isinstance(estimate, Estimate) or not estimate.left_out:
        return ""
    left = listed(list(map(str, estimate.left_out)))
    seeds = "seeds" if len(estimate.left_out) > 1 else "seed"
    return f"paired by seed: the trainings with {seeds} {left}, which not every cell has, are left out of this number"


def margin_note(part: Part, level: float) -> str:
    """That the seeds cannot resolve a margin at the level of a report, where they cannot; else empty."""
    estimate = part.comparison.estimate
    if not part.margin or not isinstance(estimate, Estimate):
        return ""
    half = float(np.asarray(estimate.half_width(2 * level)))  # of two tests on one side each
    if not math.isfinite(half) or half <= part.margin:
        return ""
    return (
        f"the interval of {100 - 200 * level:.4g} % of {listed(list(map(str, estimate.seeds)))} trainings, by which"
        " equivalence is told, is"
        f" ± {amount(half, part.unit)}: too wide to show it within {amount(part.margin, part.unit)}"
    )


def more_of_what(part: Part | None) -> str:
    """What lowers the noise, where nobody knows how much of it would be enough."""
    points = getattr(part.comparison.estimate, "points", 0) if part else 0
    if points:
        return f"more than {points} points along the line, such as depths between these"
    return "more seeds: no effect of a published size is known"


def amount(value: float, kind: Unit, *, signed: bool = False) -> str:
    """`1.56 points`, `0.012 nats`, `0.4`; shares as per cent."""
    sign = "+" if signed else ""
    if math.isnan(value) or math.isinf(value):
        return "unknown"
    if kind == "fraction":
        return f"{100 * value:{sign}.2f} points"
    if kind == "share":
        return f"{100 * value:{sign}.3g} %"
    return f"{value:{sign}.3g}" + (" nats" if kind == "nats" else "")
