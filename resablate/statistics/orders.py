"""A published order of cells against the measured one: Kendall's tau with an interval.

Resampling draws tau towards 0 where cells lie close, and knows nothing from two seeds. The interval here comes of the
pairs: at one level for all of them, each is ordered as published, ordered the other way, or undecided. The least tau
takes every undecided pair as reversed, the greatest as kept: it holds the true tau in 95 % of reports or more.

Source: Kendall, "A new measure of rank correlation", Biometrika 30 (1938).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from resablate.statistics.argument_rules import check_not_negative, check_number, check_share
from resablate.statistics.contrasts import Pairing, difference
from resablate.statistics.sample import Sample
from resablate.statistics.step_down import holm
from resablate.statistics.verdict import Verdict


@dataclass(frozen=True)
class OrderAgreement:
    """How far cells are ordered as published.

    Attributes:
        tau: Kendall's, of the measured means and the published numbers; 1 is the published order, -1 its reverse.
        low: its least value at `level`.
        high: its greatest.
        level: for all pairs together.
        kept: pairs that are ordered as published, for certain.
        reversed: pairs that are ordered the other way, for certain.
        undecided: the others.
        verdict: supported if every pair is kept, contradicted if one is reversed, else undecided.
    """

    tau: float
    low: float
    high: float
    level: float
    kept: tuple[tuple[str, str], ...]
    reversed: tuple[tuple[str, str], ...]
    undecided: tuple[tuple[str, str], ...]
    verdict: Verdict


def order_agreement(
    cells: Mapping[str, Sample],
    published: Mapping[str, float],
    *,
    level: float = 0.05,
    pairing: Pairing = "auto",
    closest: float = 0.0,
) -> OrderAgreement:
    """Whether `cells` are ordered as `published`.

    Args:
        cells: by name.
        published: one number for each cell, such as its published error; equal ones claim nothing of their pair.
        level: the error rate for all pairs together.
        pairing: as in `contrast`.
        closest: pairs whose published numbers are nearer than this are left out.

    Raises:
        ValueError: if a cell has no published number, no pair is left, level does not lie between 0 and 1, or closest
            is below 0.
    """
    check_share("level", level)
    check_not_negative("closest", closest)
    for name, number in published.items():
        check_number(f"published {name}", number)
    if lost := sorted(set(cells) - set(published)):
        raise ValueError(f"every cell needs a published number, but got none for {', '.join(lost)}")
    pairs = [_rising(pair, published) for pair in combinations(cells, 2)]
    pairs = [(lower, upper) for lower, upper in pairs if published[upper] - published[lower] > closest]
    if not pairs:
        raise ValueError("an order needs a pair of cells with different published numbers, but got none")
    found = [difference(cells[upper], cells[lower], pairing=pairing) for lower, upper in pairs]
    two_sided = [2 * float(np.minimum(each.p_above(), each.p_below())) for each in found]
    certain = holm(np.minimum(two_sided, 1.0)) <= level
    signs = [float(np.sign(each.value)) for each in found]
    kept = tuple(pair for pair, sure, sign in zip(pairs, certain, signs, strict=True) if sure and sign > 0)
    turned = tuple(pair for pair, sure, sign in zip(pairs, certain, signs, strict=True) if sure and sign < 0)
    left = tuple(pair for pair in pairs if pair not in kept and pair not in turned)
    count = len(pairs)
    verdict = Verdict.CONTRADICTED if turned else Verdict.UNDECIDED if left else Verdict.SUPPORTED
    low, high = (len(kept) - len(turned) - len(left)) / count, (len(kept) - len(turned) + len(left)) / count
    return OrderAgreement(sum(signs) / count, low, high, level, kept, turned, left, verdict)


def _rising(pair: tuple[str, str], published: Mapping[str, float]) -> tuple[str, str]:
    lower, upper = sorted(pair, key=lambda name: published[name])
    return lower, upper
