"""Simulated sweeps whose seeds come in rounds, through the function by which the scheduler goes on or stops."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from resablate.statistics import Comparison, Evidence, Rounds, Sample, compare, decide, every, follow, mean, over_looks
from resablate.statistics.estimate import Array
from tests.benchmarks.verdict_worlds import HE_SD

MARGIN = 0.1
"""Of equivalence, in points."""
Claims = Mapping[str, Mapping[tuple[str, ...], tuple[int, int]]]
"""Claim -> its comparisons -> claimed cell and rival, by their places."""
_NUMBER = mean(Sample.of_numbers([0.0, 1.0]))
"""An estimate that nobody looks at: verdicts come of the evidence."""


@dataclass(frozen=True)
class Ended:
    """How the rounds of one world ended.

    Attributes:
        verdicts: of each claim.
        trainings: of all cells together.
    """

    verdicts: Mapping[str, str]
    trainings: int


def best_of(cells: int) -> Claims:
    """One claim: the first cell is better than every other."""
    return {"best": {(str(rival),): (0, rival) for rival in range(1, cells)}}


def one_each(cells: int) -> Claims:
    """A claim for every other cell: the first is better than that one."""
    return {str(rival): {("",): (0, rival)} for rival in range(1, cells)}


def rounds_of_worlds(errors: Sequence[float], claims: Claims, rounds: Rounds, *, worlds: int) -> list[Ended]:
    """The rounds of so many worlds, each cell with its error, in points, and the published sd over seeds."""
    generator = np.random.default_rng([14, *rounds.seeds, len(claims)])
    numbers = np.asarray(errors)[:, None, None] + HE_SD * generator.normal(size=(len(errors), worlds, rounds.seeds[-1]))
    seen = {
        pair: [_evidence(numbers[pair[0], :, :seeds], numbers[pair[1], :, :seeds]) for seeds in rounds.seeds]
        for parts in claims.values()
        for pair in parts.values()
    }
    return [_rounds_of_world(world, seen, claims, rounds) for world in range(worlds)]


def _evidence(claimed: Array, rival: Array) -> Evidence:
    return compare(Sample.of_numbers(claimed), Sample.of_numbers(rival), margin=MARGIN).evidence


def _rounds_of_world(
    world: int, seen: Mapping[tuple[int, int], Sequence[Evidence]], claims: Claims, rounds: Rounds
) -> Ended:
    def look(index: int, counts: Mapping[str, int]) -> dict[str, dict[tuple[str, ...], Comparison]]:
        seeds = rounds.seeds[index]
        return {
            claim: {
                name: Comparison(_NUMBER, _in_world(seen[pair][index], world))
                for name, pair in parts.items()
                if min(counts[str(pair[0])], counts[str(pair[1])]) >= seeds
            }
            for claim, parts in claims.items()
        }

    cells = {
        claim: {name: frozenset(map(str, pair)) for name, pair in parts.items()} for claim, parts in claims.items()
    }
    standing = follow(cells, rounds, look)
    assert standing.finished
    whole = {
        claim: every([over_looks(looks).evidence for looks in parts.values()])
        for claim, parts in standing.looks.items()
    }
    verdicts = {claim: str(decide(found, standing.levels[claim])) for claim, found in whole.items()}
    return Ended(verdicts, sum(standing.counts.values()))


def _in_world(found: Evidence, world: int) -> Evidence:
    return Evidence(found.supported[world], found.contradicted[world], found.equivalent[world])
