"""Seeds in rounds until claims are decided."""

from collections.abc import Mapping

import numpy as np
import pytest

from resablate.statistics import (
    Comparison,
    Evidence,
    Rounds,
    Sample,
    Standing,
    Verdict,
    compare,
    deciding_look,
    follow,
    mean,
    over_looks,
    plan_rounds,
    spend,
)

Named = tuple[str, ...]


def test_rounds_grow_to_the_most_and_spend_the_level() -> None:
    for most in (2, 3, 8, 20, 50):
        rounds = plan_rounds(most)
        assert (rounds.seeds[0], rounds.seeds[-1]) == (2, most)
        assert sum(rounds.shares) == pytest.approx(1.0)
    assert plan_rounds(8).seeds == (2, 3, 4, 5, 7, 8)
    with pytest.raises(ValueError, match="first <= most"):
        plan_rounds(2, first=3)
    with pytest.raises(ValueError, match="must rise from two seeds"):
        Rounds((1, 2), (0.5, 0.5))
    with pytest.raises(ValueError, match="add up to at most 1"):
        Rounds((2, 4), (0.8, 0.5))
    with pytest.raises(ValueError, match="add up to at most 1"):
        Rounds((2, 4), (0.0, 1.0))


def evidence(supported: float = 1.0, contradicted: float = 1.0, equivalent: float = 1.0) -> Evidence:
    return Evidence(*(np.asarray(p) for p in (supported, contradicted, equivalent)))


def comparison(found: Evidence, missing: str = "") -> Comparison:
    return Comparison(mean(Sample.of_numbers([0.1, 0.2])), found, missing=missing)


def followed(
    claims: Mapping[str, Mapping[Named, set[str]]],
    looks: Mapping[tuple[str, Named], list[Evidence | None]],
    rounds: Rounds,
) -> tuple[Standing, list[dict[str, int]]]:
    """The standing where each comparison has this evidence at each look, and who had how many trainings there."""
    seen: list[dict[str, int]] = []

    def look(index: int, counts: Mapping[str, int]) -> dict[str, dict[Named, Comparison]]:
        seen.append(dict(counts))
        made: dict[str, dict[Named, Comparison]] = {claim: {} for claim in claims}
        for (claim, name), found in looks.items():
            enough = all(counts[cell] >= rounds.seeds[index] for cell in claims[claim][name])
            if enough and (now := found[index]) is not None:
                made[claim][name] = comparison(now)
        return made

    frozen = {claim: {name: frozenset(cells) for name, cells in parts.items()} for claim, parts in claims.items()}
    return follow(frozen, rounds, look), seen


A, B = ("a",), ("b",)


def test_a_p_value_is_divided_by_the_share_of_its_look() -> None:
    found = spend([evidence(0.01, 0.5, 0.2), evidence(0.2, 0.9, 0.02)], (0.25, 0.5))
    assert [float(p) for p in (found.supported, found.contradicted, found.equivalent)] == pytest.approx([0.04, 1, 0.04])
    with pytest.raises(ValueError, match="one look or more"):
        over_looks([])


def test_cells_of_a_decided_comparison_get_no_more_trainings() -> None:
    """Two rivals: one is beaten at the first look, the other at the third."""
    rounds = Rounds((2, 3, 4, 8), (0.2, 0.2, 0.2, 0.4))
    claims = {"H1": {A: {"ours", "far"}, B: {"ours", "near"}}}
    looks = {("H1", A): [evidence(1e-9)] * 4, ("H1", B): [evidence(0.4), evidence(0.1), evidence(0.001), evidence()]}
    standing, seen = followed(claims, looks, rounds)
    assert [counts["far"] for counts in seen] == [2, 2, 2]
    assert [counts["near"] for counts in seen] == [counts["ours"] for counts in seen] == [2, 3, 4]
    assert (standing.decided_at, standing.open, standing.finished) == ({"H1": 2}, frozenset(), True)
    assert [look.index for look in standing.looks["H1"][A]] == [0], "what is decided is not looked at again"
    assert deciding_look(standing.looks["H1"][B], 0.05).index == 2


def test_a_decided_claim_stays_decided_while_its_cells_train_on_for_another() -> None:
    rounds = Rounds((2, 4, 8), (0.25, 0.25, 0.5))
    claims = {"H1": {A: {"x", "y"}}, "H2": {A: {"x", "z"}}}
    looks = {
        ("H1", A): [evidence(1e-6), evidence(contradicted=1e-12), evidence(contradicted=1e-12)],
        ("H2", A): [evidence(0.5), evidence(0.5), evidence(0.5)],
    }
    standing, seen = followed(claims, looks, rounds)
    assert seen[-1] == {"x": 8, "y": 2, "z": 8}
    assert standing.decided_at == {"H1": 0}
    assert str(over_looks(standing.looks["H1"][A]).decide(standing.levels["H1"]).verdict) == "supported"


def test_what_others_leave_decides_by_evidence_of_before() -> None:
    """Holm: once the second claim is decided, the first has twice the level, which its look of before is enough for."""
    rounds = Rounds((2, 4, 8), (0.25, 0.25, 0.5))
    claims = {"H1": {A: {"x"}}, "H2": {A: {"y"}}}
    # Half of 5 % x 1/4 over two claims is 0.31 %; over one it is 0.62 %.
    looks = {
        ("H1", A): [evidence(0.005), evidence(0.5), evidence(0.5)],
        ("H2", A): [evidence(0.5), evidence(1e-9), evidence()],
    }
    standing, _ = followed(claims, looks, rounds)
    assert standing.decided_at == {"H2": 1, "H1": 1}


def test_one_comparison_that_contradicts_ends_the_claim() -> None:
    rounds = Rounds((2, 4), (0.5, 0.5))
    claims = {"H1": {A: {"x", "y"}, B: {"x", "z"}}}
    looks = {("H1", A): [evidence(0.4)] * 2, ("H1", B): [evidence(contradicted=0.001)] * 2}
    standing, seen = followed(claims, looks, rounds)
    assert len(seen) == 1
    assert standing.decided_at == {"H1": 0}


def test_equal_cells_go_to_the_most_and_no_further() -> None:
    standing, seen = followed({"H1": {A: {"x", "y"}}}, {("H1", A): [evidence(0.5)] * 6}, plan_rounds(8))
    assert [counts["x"] for counts in seen] == [2, 3, 4, 5, 7, 8]
    assert (standing.finished, standing.open, standing.decided_at) == (True, frozenset({"x", "y"}), {})


def test_what_cannot_be_compared_gets_no_more_trainings() -> None:
    """One comparison has no look at all, as where a training failed."""
    claims = {"H1": {A: {"x", "y"}}, "H2": {A: {"z"}}}
    looks = {("H1", A): [None] * 3, ("H2", A): [evidence(0.5)] * 3}
    standing, seen = followed(claims, looks, Rounds((2, 4, 8), (0.25, 0.25, 0.5)))
    assert seen[-1] == {"x": 2, "y": 2, "z": 8}
    assert (standing.open, standing.stuck) == (frozenset("z"), frozenset("xy"))
    assert standing.levels["H2"] == pytest.approx(0.025), "a claim without a look keeps its part of the level"


def test_a_round_that_has_not_ended_is_waited_for() -> None:
    rounds = plan_rounds(8)
    standing = follow({"H1": {A: frozenset("x")}}, rounds, lambda index, counts: None)
    assert (standing.finished, standing.ended, standing.counts, standing.levels) == (False, False, {"x": 2}, {})


def numbers_looked_at(
    values: np.ndarray, rounds: Rounds, claims: Mapping[str, Mapping[Named, tuple[int, int]]]
) -> Standing:
    """The standing over (cells, seeds) numbers; a comparison is of a claimed cell with a rival, by their places."""

    def look(index: int, counts: Mapping[str, int]) -> dict[str, dict[Named, Comparison]]:
        seeds = rounds.seeds[index]
        return {
            claim: {
                name: compare(Sample.of_numbers(values[a, :seeds]), Sample.of_numbers(values[b, :seeds]), margin=0.01)
                for name, (a, b) in parts.items()
                if min(counts[str(a)], counts[str(b)]) >= seeds
            }
            for claim, parts in claims.items()
        }

    cells = {c: {n: frozenset(map(str, pair)) for n, pair in parts.items()} for c, parts in claims.items()}
    return follow(cells, rounds, look)


def test_equal_cells_are_told_apart_in_at_most_one_sequence_of_twenty() -> None:
    """Three claims with a cell in common: any false decision at any stop counts. Four standard errors are 6.2 %."""
    generator, rounds = np.random.default_rng(0), plan_rounds(8)
    claims = {f"H{place}": {A: (0, place)} for place in (1, 2, 3)}
    wrong = sum(
        any(
            over_looks(standing.looks[claim][A]).decide(standing.levels[claim]).verdict
            in (Verdict.SUPPORTED, Verdict.CONTRADICTED)
            for claim in claims
        )
        for standing in (numbers_looked_at(generator.normal(size=(4, 8)), rounds, claims) for _ in range(200))
    )
    assert wrong / 200 < 0.112


def test_rounds_take_fewer_trainings_than_a_fixed_number() -> None:
    """Four cells as in Table 1 of He et al.: one rival close, the others far."""
    errors, rounds, generator = np.array([6.61, 6.91, 8.70, 12.35]), plan_rounds(8), np.random.default_rng(1)
    claims = {"H1": {(str(rival),): (0, rival) for rival in (1, 2, 3)}}
    standings = [
        numbers_looked_at(errors[:, None] + 0.16 * generator.normal(size=(4, 8)), rounds, claims) for _ in range(120)
    ]
    # 24 trainings if six each, which find it in four of five worlds; two far rivals stop after two or three seeds.
    assert np.mean([sum(standing.counts.values()) for standing in standings]) < 19
    assert np.mean([bool(standing.decided_at) for standing in standings]) > 0.7
