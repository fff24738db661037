"""Claims over trainings that came in rounds: what follows from stored results, alone and joined."""

from pathlib import Path
from typing import Any

import pytest

from resablate.claims import CLAIMS
from resablate.claims.answering import Answers, answer_sweeps
from resablate.claims.claim import comparison_name
from resablate.claims.family import Family, family, joined_seeds
from resablate.claims.rounds import follow_rounds, trainings_of
from resablate.claims.trials import Trials
from resablate.component import Component
from resablate.errors import SpecError
from resablate.question import AskedAnalysis
from resablate.report import write_report
from resablate.report_answers import closings
from resablate.result import TrialResult, failed_result
from resablate.sweep import SeedRounds, SweepSpec, parse_sweep
from tests.claims.worlds import COUNTED, FALSE, TRUE, Network, train

DEEP: dict[str, Any] = {"depth": 110, "dataset": "cifar10"}
IDENTITY = Network({**DEEP, "shortcut": "identity"}, error=0.066)
NEAR = Network({**DEEP, "shortcut": {"name": "constant_scale", "carried_factor": 0.9}}, error=0.0661)
FAR = Network({**DEEP, "shortcut": "conv1x1"}, error=0.12)
MOST, ENOUGH = 8, 20
WORLDS = {"true": TRUE, "false": FALSE}


def asked(name: str) -> list[AskedAnalysis]:
    """What a claim needs, as a sweep asks it."""
    return [
        AskedAnalysis(
            Component(analysis, {key: value for key, value in needed.items() if key != "epochs"}),
            tuple(needed.get("epochs", ())),
        )
        for analysis, needed in CLAIMS[name].questions.items()
    ]


def one_claim(name: str, results: list[TrialResult], *, first: int = 2) -> Family:
    seeds = SeedRounds(until="decided", first=first, most=ENOUGH, claims=(name,))
    return family(seeds, [result.spec for result in results], asked(name))


def sweep(name: str = "rounds", **seeds: Any) -> SweepSpec:
    found = {"until": "decided", "first": 3, "most": MOST, "claims": ["H1"], **seeds}
    return parse_sweep({"name": name, "base": {}, "axes": {}, "seeds": found})


@pytest.mark.parametrize(
    ("name", "world"),
    [pytest.param(name, world, id=f"{name}-{kind}") for kind, world in WORLDS.items() for name in world],
)
def test_a_claim_compares_what_it_says_it_would_before_anything_is_trained(
    name: str, world: dict[str, list[Network]]
) -> None:
    results = train(world[name], seeds=3)
    compared = CLAIMS[name].compared(Trials.planned(result.spec for result in results))
    judged = CLAIMS[name].judge(Trials(results))
    assert {comparison_name(one) for one in compared} == {comparison_name(part) for part in judged.parts.values()}


@pytest.mark.parametrize("name", [name for name in TRUE if name not in COUNTED])
def test_every_claim_is_decided_in_rounds(name: str) -> None:
    """True ones are supported and false ones contradicted, most of them before the last seed."""
    for world, verdict in ((TRUE, "supported"), (FALSE, "contradicted")):
        results = train(world[name], seeds=ENOUGH)
        followed = follow_rounds(one_claim(name, results), trainings_of(results))
        level = followed.standing.levels[name]
        assert followed.judgements[name].comparison.decide(level).verdict == verdict
        assert name in followed.standing.decided_at
        assert followed.standing.finished


def test_the_rounds_are_those_of_the_results_whatever_else_there_is() -> None:
    """A rival that is decided has no third training; those that it happens to have change nothing."""
    results = train([IDENTITY, NEAR, FAR], seeds=MOST)
    found = family(SeedRounds(until="decided", first=3, most=MOST, claims=("H1",)), [r.spec for r in results], ())
    whole = follow_rounds(found, trainings_of(results))
    counts = {cell.spec.shortcut.name: whole.standing.counts[cell.key] for cell in Trials(results).cells}
    assert counts == {"identity": 8, "constant_scale": 8, "conv1x1": 3}
    kept = [r for r in results if r.spec.seed < whole.standing.counts[r.spec.cell]]
    again = follow_rounds(found, trainings_of(kept))
    assert again.standing.counts == whole.standing.counts
    assert again.standing.levels == whole.standing.levels


def test_a_training_that_has_not_ended_is_waited_for_and_one_that_failed_is_not() -> None:
    results = train([IDENTITY, NEAR, FAR], seeds=3)
    found = family(SeedRounds(until="decided", first=3, most=MOST, claims=("H1",)), [r.spec for r in results], ())
    gone = next(r for r in results if r.spec.shortcut.name == "constant_scale" and r.spec.seed == 1)
    others = [r for r in results if r is not gone]
    waiting = follow_rounds(found, trainings_of(others, [gone.spec])).standing
    assert (waiting.index, waiting.ended, waiting.levels) == (0, False, {})
    failed = follow_rounds(found, trainings_of([*others, failed_result(gone.spec, "broken")])).standing
    assert (failed.index, failed.finished) == (0, True)
    assert {cell.spec.shortcut.name for cell in Trials(results).cells if cell.key in failed.stuck} == {
        "identity",
        "constant_scale",
    }


def answers(results: list[TrialResult], *sweeps: SweepSpec) -> Answers:
    return answer_sweeps(sweeps or [sweep()], results)


def test_a_number_is_called_what_it_was_at_its_look() -> None:
    """V3 is about increases of error, and where a network has not learned about that too: another number."""
    good = [*train(TRUE["V3"], seeds=1), *(r for r in train(FALSE["V3"], seeds=2) if r.spec.seed)]
    bad = [r for r in train([n.with_(error=0.88) for n in TRUE["V3"]], seeds=4) if r.spec.seed > 1]
    rounds = sweep(first=2, most=4, claims=["V3"])
    asking = rounds.model_copy(update={"analyses": tuple(asked("V3"))})
    [found] = [a for a in answer_sweeps([asking], [*good, *bad]).answers if a.claim.id == "V3"]
    [part] = found.judgement.parts.values()
    told = [part.at(look).noun for look in part.looks]
    assert told[0].endswith(" is")
    assert told[-1] == "does not learn in"
    [closing] = [one for one in closings(answer_sweeps([asking], [*good, *bad])) if one.claim == "V3"]
    assert found.shown is not None
    assert closing.axis.startswith(found.shown.part.noun)
    assert len(closing.seeds) == told.count(found.shown.part.noun) < len(told)


def test_the_answer_is_at_what_the_look_may_spend() -> None:
    results = train([IDENTITY, FAR], seeds=3)
    [found] = answers(results).answers
    assert (found.verdict, found.seeds) == ("supported", "3 each")
    assert found.shown
    assert found.shown.look
    # Five rounds: the first four share half of 5 %.
    assert found.shown.level == pytest.approx(0.05 * 0.5 / 4)
    assert found.shown.low > 0
    assert "look 1, which spends 12.5 % of the level" in found.method

    [found] = answers(train([IDENTITY, NEAR], seeds=3)).answers
    assert found.verdict == "undecided"
    assert found.what_would_decide == "round 2 of 5 (4 seeds of each cell), 0 of 2 cells decided"
    [found] = answers(train([IDENTITY, NEAR], seeds=MOST)).answers
    assert found.shown
    assert found.shown.level == pytest.approx(0.05 * 0.5)
    assert "round" not in found.what_would_decide


def test_a_claim_about_training_takes_the_epochs_that_the_sweep_looks_at() -> None:
    specs = [result.spec for result in train(TRUE["Z4"], seeds=2)]
    seeds = SeedRounds(until="decided", first=2, most=ENOUGH, claims=("Z4",))

    def looked_at(*epochs: int) -> Family:
        return family(seeds, specs, [AskedAnalysis(Component("norm_preservation"), epochs)])

    assert list(looked_at(0, 5, 10, 20).claims) == ["Z4"]
    for epochs in ((), (0, 5, 10), (1, 5, 10, 20)):
        with pytest.raises(SpecError, match=r"asks norm_preservation, also before the first step and after 3 epochs"):
            looked_at(*epochs)


def test_only_the_claims_that_the_sweep_names_are_tested() -> None:
    results = train([IDENTITY, FAR], seeds=3)
    found = answers(results)
    assert [answer.claim.id for answer in found.answers] == ["H1"]
    assert any("The level is spent on H1 alone" in note for note in found.remarks)
    everything = answers(results, sweep(claims=None))
    assert {answer.claim.id for answer in everything.answers} == set(CLAIMS)
    assert everything.tested > 1


def test_the_sweeps_own_comparisons_have_the_level_once_the_claims_have_left_it() -> None:
    rounds = {"until": "decided", "first": 3, "most": MOST, "claims": ["H1"]}

    def swept(*networks: Network) -> SweepSpec:
        axes = {"shortcut": [network.fields["shortcut"] for network in networks]}
        return parse_sweep({"name": "own", "base": DEEP, "axes": axes, "analyses": {}, "seeds": rounds})

    far = answers(train([IDENTITY, FAR], seeds=3), swept(IDENTITY, FAR))
    [own] = [answer for answer in far.answers if answer.claim.own]
    assert (own.word, own.decision.level, own.shown and own.shown.level) == ("worse", 0.05, 0.05 / 8)
    assert far.tested == 2
    assert "so the sweep's own comparisons have the level now" in far.remarks[-1]
    near = answers(train([IDENTITY, NEAR], seeds=5), swept(IDENTITY, NEAR))
    [own] = [answer for answer in near.answers if answer.claim.own]
    assert (own.word, own.what_would_decide) == ("not tested", "a side of H1, which the level is spent on first")
    assert own.shown and len(own.shown.part.looks) == 3, "looks at 3, 4 and 5 seeds"
    # A part of the level for each look: together the intervals hold whenever the seeds stop.
    assert own.shown.level == pytest.approx(0.05 / 8)
    assert near.tested == 1
    assert "Until then they are not tested" in near.remarks[-1]
    assert not any("own comparisons" in note for note in answers(train([IDENTITY, FAR], seeds=3)).remarks)


def test_sweeps_are_joined_by_the_widest_plan() -> None:
    plain = parse_sweep({"name": "plain", "base": {}, "axes": {}})
    assert joined_seeds([plain]) is None
    assert joined_seeds([sweep(most=5), sweep(most=20), sweep(most=20, first=2)]) == sweep(most=20, first=2).seeds
    mixed = joined_seeds([sweep(), plain])
    assert mixed
    assert mixed.claims is None, "what every sweep tests takes part"
    both = joined_seeds([sweep(claims=["H1"]), sweep(claims=["H2", "H1"])])
    assert both
    assert both.claims == ("H1", "H2")


def test_a_fixed_number_of_seeds_joins_the_looks_that_it_has() -> None:
    """Three seeds of a rival in another sweep: one look, and the later trainings of others do not count."""
    near, far = train([IDENTITY, NEAR], seeds=MOST), train([FAR], seeds=3)
    found = answers([*near, *far], sweep(), parse_sweep({"name": "fixed", "base": {}, "axes": {}}))
    [answer] = [answer for answer in found.answers if answer.claim.id == "H1"]
    looks = {len(part.looks) for part in answer.judgement.parts.values()}
    assert looks == {1, 5}, "the far one is decided at its first look"
    assert any("plan of rounds with the most seeds" in note for note in found.remarks)


def test_the_report_says_how_the_intervals_closed(tmp_path: Path) -> None:
    results = train([IDENTITY, NEAR, FAR], seeds=MOST)
    kept = [r for r in results if r.spec.shortcut.name != "conv1x1" or r.spec.seed < 3]
    found = answers(kept)
    [closing] = closings(found)
    assert (closing.claim, closing.seeds, closing.most) == ("H1", (3, 4, 5, 7, 8), MOST)
    widths = [high - low for low, high in zip(closing.lows, closing.highs, strict=True)]
    assert widths[-1] < widths[1] < widths[0]
    page = write_report(kept, sweep=sweep(), command="resablate sweep x.yaml", folder=tmp_path / "report")
    assert (page.parent / "figures" / "closing_intervals.svg").is_file()
    for text in (page.read_text(), (page.parent / "index.md").read_text()):
        assert "Seeds came in rounds until decided, with looks at 3, 4, 5, 7, 8 seeds of each cell" in text
        assert "How the intervals closed" in text
