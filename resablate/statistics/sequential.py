"""Seeds in rounds until a comparison is decided, at a level that holds whenever it stops.

The level is spent over the rounds: a round may decide at its own part of it, and the parts add up to the whole (union
bound). So at most `level` of all sequences ever decide falsely, whatever the dependence between rounds, the number of
seeds in each, the pairing, or the reason to stop. Bounds that use the dependence spend a little less, but they hold for
normal estimates with a known spread, which two or three seeds are not.

Source: Lan & DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from resablate.statistics.comparison import Comparison, Side, compare
from resablate.statistics.contrasts import Pairing
from resablate.statistics.estimate import Array
from resablate.statistics.sample import Sample
from resablate.statistics.scales import Scale
from resablate.statistics.verdict import Evidence, Verdict, decide

FIRST_SEEDS = 2
"""Two seeds decide differences of more than some ten times their spread, which most cells of a table have."""
GROWTH = 1.34
"""Each round has about a third more seeds than the one before: six rounds from 2 to 8."""
LAST_SHARE = 0.5
"""The part of the level that the last round keeps; the others have the rest in equal parts."""


@dataclass(frozen=True)
class Rounds:
    """When a comparison is looked at.

    Attributes:
        seeds: trainings of each cell at each look, rising; the last is the most there will be.
        shares: the part of the level that each look may spend; they add up to 1.
    """

    seeds: tuple[int, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raise a ValueError unless looks rise from two seeds or more and shares add up to at most 1."""
        rising = all(low < high for low, high in zip(self.seeds, self.seeds[1:], strict=False))
        if not self.seeds or self.seeds[0] < 2 or not rising:  # noqa: PLR2004 - one seed decides nothing
            raise ValueError(f"looks must rise from two seeds or more, but got {self.seeds}")
        if len(self.shares) != len(self.seeds) or min(self.shares) < 0 or sum(self.shares) > 1 + 1e-9:
            raise ValueError(f"shares, one for each look, must add up to at most 1, but got {self.shares}")


def plan_rounds(most: int, *, first: int = FIRST_SEEDS, last_share: float = LAST_SHARE) -> Rounds:
    """Looks from `first` to `most` seeds, each with about a third more than the one before.

    Raises:
        ValueError: unless 2 <= first <= most.
    """
    if not 2 <= first <= most:  # noqa: PLR2004
        raise ValueError(f"2 <= first <= most must hold, but got ({first=}, {most=})")
    looks = [first]
    while looks[-1] < most:
        looks.append(min(most, max(looks[-1] + 1, round(GROWTH * looks[-1]))))
    if len(looks) == 1:
        return Rounds((most,), (1.0,))
    early = (1 - last_share) / (len(looks) - 1)
    return Rounds(tuple(looks), (*(early,) * (len(looks) - 1), last_share))


def first_decisions(
    evidence: Sequence[Evidence], rounds: Rounds, *, rivals: int = 1, level: float = 0.05
) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """The verdict of each comparison at the look that first decides it, and the index of that look.

    Args:
        evidence: at each look that was made, of the shape of the comparisons (...).
        rounds: the plan; looks after those in `evidence` have not been made.
        rivals: how many comparisons the claim has. "Better than all" needs each at the full level; that some rival is
            better is corrected for their number.
        level: of the whole sequence.

    Returns:
        (...) verdicts, undecided where no look decided, and (...) indices of looks, that of the last one there.
    """
    shape = np.shape(evidence[0].supported)
    verdict = np.full(shape, Verdict.UNDECIDED, dtype="<U12")
    look = np.full(shape, len(evidence) - 1, dtype=np.int64)
    for index, (found, share) in enumerate(zip(evidence, rounds.shares, strict=False)):
        corrected = replace(found, contradicted=np.minimum(1.0, rivals * found.contradicted))
        now = decide(corrected, share * level)
        fresh = (verdict == Verdict.UNDECIDED) & (now != Verdict.UNDECIDED)
        verdict, look = np.where(fresh, now, verdict), np.where(fresh, index, look)
    return verdict, look


@dataclass(frozen=True)
class NextRound:
    """What has been decided, and which cells are trained further.

    Attributes:
        verdicts: of the claimed cell against each rival.
        decided_at: seeds of each cell when its comparison was decided; absent while undecided.
        more: the names of cells that get trainings, the claimed one's as "".
        seeds: how many trainings each of these should have then.
        level: what a comparison that is still undecided may spend at the next look.
    """

    verdicts: Mapping[str, Verdict]
    decided_at: Mapping[str, int]
    more: tuple[str, ...]
    seeds: int
    level: float


def next_round(
    claimed: Sample,
    rivals: Mapping[str, Sample],
    rounds: Rounds,
    *,
    margin: float,
    level: float = 0.05,
    side: Side = "lower",
    pairing: Pairing = "none",
    scale: Scale = "identity",
) -> NextRound:
    """Look at the comparisons of `claimed` with each rival, and say who trains on.

    Everything is derived from the trainings, in the order in which they were started: a rival that was decided in an
    earlier round stays decided, and its trainings may end there. Which trainings count is fixed before, not by outcome.

    Args:
        claimed: all of its trainings so far.
        rivals: all of theirs; those that were decided have fewer.
        rounds: the plan, made before the first training.
        margin: as in `compare`.
        level: of the claim over all its rounds.
        side: as in `compare`.
        pairing: as in `contrast`; one way for all rounds.
        scale: as in `compare`.
    """
    verdicts: dict[str, Verdict] = {}
    decided_at: dict[str, int] = {}
    for name, rival in rivals.items():
        made = [count for count in rounds.seeds if count <= min(claimed.count, rival.count)]
        found = [
            compare(_first(claimed, n), _first(rival, n), margin=margin, side=side, pairing=pairing, scale=scale)
            for n in made
        ]
        verdicts[name], place = _decided(found, rounds, rivals=len(rivals), level=level)
        if verdicts[name] is not Verdict.UNDECIDED:
            decided_at[name] = rounds.seeds[place]
    left = [name for name, verdict in verdicts.items() if verdict is Verdict.UNDECIDED]
    later = [index for index, count in enumerate(rounds.seeds) if count > claimed.count]
    lost = Verdict.CONTRADICTED in verdicts.values()
    if not left or not later or lost:
        return NextRound(verdicts, decided_at, (), claimed.count, 0.0)
    index = later[0]
    return NextRound(verdicts, decided_at, ("", *left), rounds.seeds[index], rounds.shares[index] * level)


def _decided(found: Sequence[Comparison], rounds: Rounds, *, rivals: int, level: float) -> tuple[Verdict, int]:
    if not found:
        return Verdict.UNDECIDED, 0
    verdict, look = first_decisions([each.evidence for each in found], rounds, rivals=rivals, level=level)
    return Verdict(str(verdict)), int(look)


def _first(cell: Sample, count: int) -> Sample:
    outcomes = None if cell.outcomes is None else cell.outcomes[..., :count, :]
    seeds = None if cell.seeds is None else cell.seeds[:count]
    numbers: Array = cell.numbers[..., :count]
    return Sample(numbers, outcomes, seeds, cell.examples)
