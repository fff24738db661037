"""The rule about cells that a sweep itself names: one against another, or means over several settings of both."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from resablate.claims.arms import Arm, Fields
from resablate.claims.claim import Compared, Judgement, Part, untested
from resablate.claims.measures import ERROR, Measure
from resablate.claims.pairs import Pair, compare_pair, nobody_learned, notes_on, notes_on_many
from resablate.claims.trials import ClaimCell, Trials
from resablate.statistics import Comparison, Sample, compare, compare_means
from resablate.statistics.verdict import NOTHING


@dataclass(frozen=True)
class Against:
    """A cell has a lower number than another; of several settings, their means.

    Args:
        cells: keys of the cells that are compared, one for each setting.
        rivals: those of their rivals, setting by setting.
        names: that of the cells, and that of their rivals.
        measure: what is compared.
        margin: differences below it do not matter.
        only_seeds: those that alone count; all where None.
    """

    cells: tuple[str, ...]
    rivals: tuple[str, ...]
    names: tuple[str, str]
    measure: Measure = ERROR
    margin: float = 0.001
    only_seeds: Collection[int] | None = None

    @property
    def text(self) -> str:
        """The rule in a sentence."""
        means = f", means over {len(self.cells)} settings" if len(self.cells) > 1 else ""
        same = f"; the same where it differs by less than {self.margin:g}" if self.margin else ""
        return f"whether the {self.measure.name} of {self.names[0]} is lower than that of {self.names[1]}{means}{same}"

    @property
    def arms(self) -> Sequence[Arm]:
        """None: the sweep says which cells these are."""
        return ()

    @property
    def measures(self) -> Sequence[Measure]:
        """The one."""
        return (self.measure,)

    def compared(self, trials: Trials, where: Fields) -> Sequence[Compared]:
        """All of them, where they are there."""
        found = self.found(trials)
        return [Compared(found)] if len(found) == len(self.cells) + len(self.rivals) else []

    def judge(self, trials: Trials, where: Fields) -> Judgement:
        """The difference, and how many trainings would decide one of that size."""
        trials = self.counted(trials)
        found = self.found(trials)
        if len(found) < len(self.cells) + len(self.rivals):
            return Judgement({}, f"trainings of {' and of '.join(self._lacking(found))}")
        name = " against ".join(self.names)
        if len(found) > len(self.names):
            return self._means(trials, found, name)
        measured = trials.measured(found, self.measure)
        parts = compare_pair(Pair(*measured, name=name), self.measure, self._compare, margin=self.margin)
        stuck = nobody_learned(measured)
        return Judgement(parts, "", tuple(dict.fromkeys(notes_on(measured, self.names))), cannot_decide=stuck)

    def counted(self, trials: Trials) -> Trials:
        """The trainings whose seeds count."""
        if self.only_seeds is None:
            return trials
        return Trials(r for cell in trials.cells for r in cell.results if r.spec.seed in self.only_seeds)

    def found(self, trials: Trials) -> tuple[ClaimCell, ...]:
        """The cells that are there, and then their rivals."""
        by_key = {cell.key: cell for cell in trials.cells}
        return tuple(by_key[key] for key in (*self.cells, *self.rivals) if key in by_key)

    def _lacking(self, found: Sequence[ClaimCell]) -> list[str]:
        known = {cell.key for cell in found}
        sides = zip(self.names, (self.cells, self.rivals), strict=True)
        return [name for name, keys in sides if not known.issuperset(keys)]

    def _compare(self, cell: Sample, rival: Sample) -> Comparison:
        return _of_measured_size(compare(cell, rival, margin=self.margin))

    def _means(self, trials: Trials, found: tuple[ClaimCell, ...], name: str) -> Judgement:
        """Means over settings: of networks that all train, else of nothing."""
        measured = trials.measured(found, self.measure)
        samples = [one.sample for one in measured if one.sample is not None]
        if len(samples) < len(found) or any(cell.diverged for cell in found):
            failed = f"the {self.measure.name} in every setting: a training diverged, or lacks it"
            return Judgement({name: Part(untested(failed), self.measure.unit, cells=found)})
        count, stuck = len(self.cells), nobody_learned(measured)
        comparison = _of_measured_size(compare_means(samples[:count], samples[count:], margin=self.margin))
        part = Part(
            replace(comparison, evidence=NOTHING) if stuck else comparison,
            self.measure.unit,
            self.margin,
            noun="lower by",
            cells=found,
            possible=self.measure.differences,
        )
        notes = tuple(dict.fromkeys(notes_on_many(measured)))
        return Judgement({name: part}, "", notes, cannot_decide=stuck)

    def seeds(self, level: float, examples: int) -> int | None:
        """None: no effect was published."""
        return None


def _of_measured_size(comparison: Comparison) -> Comparison:
    """The comparison with the number of trainings that would decide a difference as large as the measured one."""
    return replace(comparison, published=float(comparison.estimate.value) or None)
