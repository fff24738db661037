"""Questions about the network after an epoch, through a trial that trains, and one that trained before."""

from pathlib import Path
from typing import Any

import pytest

from resablate.analyses import ANALYSES
from resablate.answerable import check_asked, questions_for
from resablate.check import check_trial
from resablate.dissection import dissect
from resablate.measurement import AnalysisResult
from resablate.measuring import measure_stored
from resablate.question import Question
from resablate.result import weights_file
from resablate.spec import TrainSpec
from resablate.sweep_parsing import parse_analyses
from resablate.training import calibrated
from resablate.trial import Trial, run_trial

SPEC = check_trial(
    TrainSpec.parse({"dataset.train_examples": 96, "depth": 8, "width": 4, "epochs": 3, "batch_size": 32})
)
ARGUMENTS: dict[str, dict[str, Any]] = {
    "lesion": {"examples": 64},
    "multi_lesion": {"examples": 64, "largest": 2, "subsets": 4},
    "reorder": {"examples": 64, "swaps": 2, "samples": 2},
    "saliency": {"examples": 64},
}


def ask(**epochs: list[int]) -> tuple[Question, ...]:
    asked = {name: {**arguments, **epochs} for name, arguments in ARGUMENTS.items()}
    return questions_for(SPEC, check_asked(parse_analyses(asked, [])))


def answers(trial: Trial, epoch: int) -> dict[str, AnalysisResult]:
    """Of the network as it stands."""
    network = trial.network if epoch else calibrated(trial.network, trial.splits.train)
    questions = [question for question in ask(epochs=[epoch]) if question.epoch == epoch]
    asked = dissect(network, questions, train=trial.splits.train, test=trial.splits.test, seed=SPEC.seed)
    assert not asked.failed
    return {measurement.question.analysis.name: measurement.result for measurement in asked.done}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_lesions_are_asked_during_training(name: str) -> None:
    assert ANALYSES[name].during_training


def test_the_answers_are_those_of_the_network_at_that_epoch(tmp_path: Path) -> None:
    result = run_trial(SPEC, ask(epochs=[0, 1, 3]), folder=tmp_path)
    assert not result.analysis_errors
    again = Trial(SPEC)
    expected = {0: answers(again, 0)}
    while not again.training.done:
        again.run_epoch()
        expected[again.training.epoch] = answers(again, again.training.epoch)
    assert result.analyses_by_epoch.keys() == {0, 1, 3}
    for epoch, done in result.analyses_by_epoch.items():
        assert repr(dict(done)) == repr(expected[epoch]), "the same sums; NaN is no value that equals itself"
    assert len({repr(done["lesion"]) for done in expected.values()}) == 4
    assert repr(result.analyses["lesion"].table) == repr(expected[3]["lesion"].table)


def test_a_later_question_about_an_epoch_is_answered_from_its_weights(tmp_path: Path) -> None:
    first, *others = ask(epochs=[1])
    result = run_trial(SPEC, [first], folder=tmp_path)
    assert result.kept_epochs == (1,)
    later = [question for question in others if question.epoch == 1]
    weights = {1: tmp_path / weights_file(1)}
    found = measure_stored(result, later, weights=weights)
    whole = run_trial(SPEC, ask(epochs=[1]))
    for name, done in found.analyses_by_epoch[1].items():
        assert repr(done) == repr(whole.analyses_by_epoch[1][name])
    assert set(found.analyses_by_epoch[1]) == set(ARGUMENTS) - {"lesion"}
