"""Seeds in rounds until decided."""

import numpy as np
import pytest

from resablate.statistics import (
    Evidence,
    Rounds,
    Sample,
    Verdict,
    compare,
    decide,
    every,
    first_decisions,
    next_round,
    plan_rounds,
)


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


def test_the_first_decision_stays() -> None:
    rounds = Rounds((2, 4), (0.5, 0.5))
    looks = [Evidence(*(np.asarray(p) for p in each)) for each in ((0.001, 0.999, 1.0), (0.999, 0.001, 1.0))]
    verdict, look = first_decisions(looks, rounds)
    assert (str(verdict), int(look)) == ("supported", 0)
    verdict, look = first_decisions(looks[::-1], rounds, rivals=20)
    # Twenty rivals: 0.001 x 20 is above half of a look's half.
    assert (str(verdict), int(look)) == ("supported", 1)


def test_equal_cells_are_told_apart_in_at_most_one_sequence_of_twenty() -> None:
    generator, rounds = np.random.default_rng(0), plan_rounds(8)
    claimed, rival = generator.normal(size=(2, 20_000, 8))
    looks = [
        compare(Sample.of_numbers(claimed[:, :n]), Sample.of_numbers(rival[:, :n]), margin=0.01).evidence
        for n in rounds.seeds
    ]
    verdict, _ = first_decisions(looks, rounds)
    # Without spending, six looks at 5 % each decide 13 % of such sequences; four standard errors are 0.6 %.
    assert np.mean((verdict == "supported") | (verdict == "contradicted")) < 0.056


def test_rounds_take_fewer_trainings_than_a_fixed_number() -> None:
    """Four cells as in Table 1 of He et al.: one rival close, the others far."""
    errors, rounds = np.array([6.61, 6.91, 8.70, 12.35]), plan_rounds(8)
    numbers = errors[:, None, None] + 0.16 * np.random.default_rng(1).normal(size=(4, 4_000, 8))
    verdicts, seeds = [], []
    for rival in numbers[1:]:
        looks = [
            compare(Sample.of_numbers(numbers[0, :, :n]), Sample.of_numbers(rival[:, :n]), margin=0.1).evidence
            for n in rounds.seeds
        ]
        verdict, look = first_decisions(looks, rounds, rivals=3)
        verdicts.append(verdict)
        seeds.append(np.array(rounds.seeds)[look])
    fixed = decide(
        every(
            [
                compare(Sample.of_numbers(numbers[0, :, :6]), Sample.of_numbers(rival[:, :6]), margin=0.1).evidence
                for rival in numbers[1:]
            ]
        )
    )
    assert np.mean(np.array(verdicts).T == "supported", axis=0)[0] > np.mean(fixed == "supported") - 0.02
    # 24 trainings if fixed; two far rivals stop after two or three seeds.
    assert np.mean(np.sum(seeds, axis=0) + np.max(seeds, axis=0)) < 19


def cells(*errors: float, seeds: int) -> list[Sample]:
    generator = np.random.default_rng(2)
    return [Sample.of_numbers(error + 0.16 * generator.normal(size=seeds)) for error in errors]


def test_decided_rivals_get_no_more_trainings() -> None:
    claimed, near, far = cells(6.61, 6.7, 60.0, seeds=3)
    rounds = Rounds((3, 5, 9), (0.3, 0.3, 0.4))
    found = next_round(claimed, {"near": near, "far": far}, rounds, margin=0.01)
    assert found.verdicts == {"near": Verdict.UNDECIDED, "far": Verdict.SUPPORTED}
    assert found.decided_at == {"far": 3}
    assert (found.more, found.seeds) == (("", "near"), 5)
    assert found.level == pytest.approx(0.3 * 0.05)


def test_an_earlier_decision_outlives_a_cell_that_stopped() -> None:
    claimed, near, far = cells(6.61, 6.7, 60.0, seeds=9)
    stopped = Sample.of_numbers(far.numbers[:3])
    rounds = Rounds((3, 5, 9), (0.3, 0.3, 0.4))
    found = next_round(claimed, {"near": near, "far": stopped}, rounds, margin=0.01)
    assert found.verdicts["far"] is Verdict.SUPPORTED
    # Nine is the most there will be.
    assert found.more == ()


def test_a_better_rival_ends_it() -> None:
    claimed, near, better = cells(6.61, 6.7, 1.0, seeds=3)
    found = next_round(claimed, {"near": near, "better": better}, Rounds((3, 9), (0.5, 0.5)), margin=0.01)
    assert found.verdicts["better"] is Verdict.CONTRADICTED
    assert found.more == ()


def test_before_the_first_look_everybody_trains() -> None:
    claimed, rival = cells(6.61, 60.0, seeds=1)
    found = next_round(claimed, {"rival": rival}, Rounds((3, 9), (0.5, 0.5)), margin=0.01)
    assert (found.more, found.seeds) == (("", "rival"), 3)
