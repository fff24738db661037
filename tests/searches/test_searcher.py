"""The searcher and its study: states, rebuilding, replicates, and points that are asked for twice."""

import math
from typing import Any

import optuna
import pytest

from resablate import plan as plan_file
from resablate.component import Component
from resablate.errors import TrackingError
from resablate.measurement import FailedMeasurement
from resablate.question import Question
from resablate.result import TrialResult
from resablate.searches.dashboard import WINNER
from resablate.searches.outcomes import best_outcomes
from resablate.searches.patient_study import REASON
from resablate.searches.study import ADDRESS_VARIABLE, study_address
from resablate.spec import TrainSpec
from tests.factories import make_measurement, make_path_gradient
from tests.searches.studies import AXES, discarded, end, keys, make_search, open_search, run, states, stored

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the study that a test opens beside ours


def proposed(**search: Any) -> list[TrainSpec]:
    with open_search(make_search(**search)) as search_:
        return [result.spec for result in run(search_)]


def test_a_search_runs_its_trials_and_finds_what_is_good() -> None:
    sweep = make_search(trials=24, method="gp")
    with open_search(sweep) as search:
        assert (search.left, search.total) == (24, 24)
        results = run(search)
        assert (search.left, search.total) == (0, 24)
        assert search.next() is None
    errors = [result.history[-1].val_error for result in results]
    # A random learning rate is 0.25 away on average; the last ten know better.
    assert sum(errors[-10:]) / 10 < 0.1
    study = stored()
    assert states(study) == ["COMPLETE"] * 24
    assert [trial.values for trial in study.trials] == [[error] for error in errors]
    assert keys(study) == [[result.key] for result in results]
    assert study.best_trial.params["learning_rate"] == results[errors.index(min(errors))].spec.learning_rate
    assert all(isinstance(trial.params["batch_size"], int) for trial in study.trials)


@pytest.mark.parametrize("method", ["tpe", "gp", "nsga2"])
def test_every_search_depends_on_its_seed_alone(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS_VARIABLE, "sqlite://")  # in memory
    first = proposed(method=method, trials=14)
    assert proposed(method=method, trials=14, name="again") == first
    assert proposed(method=method, trials=14, name="other", seed=1) != first
    assert all(1e-4 <= spec.learning_rate <= 1 and 16 <= spec.batch_size <= 64 for spec in first)


def test_every_ending_has_its_own_state() -> None:
    sweep = make_search(trials=5, pruning="asha")
    with open_search(sweep) as search:
        specs = [search.next() for _ in range(5)]
        finished, diverged, pruned, failed, running = [spec for spec in specs if spec]
        search.tell(end(finished, 0.25))
        search.tell(end(diverged, math.nan, status="diverged", reason="training loss nan in epoch 3"))
        search.tell(end(pruned, 0.5, status="pruned", reason="pruned by asha after epoch 2", epochs=2))
        search.tell(end(failed, status="failed", reason="RuntimeError: no more memory"))
    study = stored()
    assert states(study) == ["COMPLETE", "COMPLETE", "PRUNED", "FAIL", "RUNNING"]
    assert [trial.values for trial in study.trials] == [[0.25], [1.0], [0.5], None, None]
    assert [trial.user_attrs.get(REASON) for trial in study.trials] == [
        None,
        "training loss nan in epoch 3",
        "pruned by asha after epoch 2",
        "RuntimeError: no more memory",
        None,
    ]
    assert study.trials[0].intermediate_values == {1: 0.25, 2: 0.25, 3: 0.25}
    assert study.trials[1].intermediate_values == {}, "NaN is no number to compare"
    assert study.trials[2].intermediate_values == {1: 0.5, 2: 0.5}
    assert study.trials[4].user_attrs["resablate.keys"] == [running.key]


def test_nothing_stays_running_after_a_crash_and_the_search_goes_on_as_if_there_had_been_none() -> None:
    undisturbed = proposed(name="undisturbed", trials=20)
    sweep = make_search(trials=20)
    with open_search(sweep) as search:
        past: list[TrialResult] = []
        for _ in range(13):
            spec = search.next()
            assert spec
            past.append(end(spec))
            search.tell(past[-1])
        interrupted = search.next()  # the process is killed while it runs
    assert interrupted
    assert states(stored())[13:] == ["RUNNING"]

    with open_search(sweep, past) as search:
        assert states(stored())[13:] == ["FAIL", "WAITING"]
        assert discarded(stored()) == [13]
        assert search.left == 7
        again = search.next()
        assert again == interrupted, "before any new point, so that it continues from its checkpoint"
        search.tell(end(again))
        rest = run(search)
    assert [result.spec for result in past] + [again] + [result.spec for result in rest] == undisturbed
    assert states(stored()) == ["COMPLETE"] * 13 + ["FAIL"] + ["COMPLETE"] * 7


def test_what_ended_but_was_not_told_is_told_and_not_run_again() -> None:
    sweep = make_search(trials=3)
    with open_search(sweep) as search:
        spec = search.next()
    assert spec
    with open_search(sweep, [end(spec, 0.125)]) as search:
        assert search.left == 2
        assert spec.key not in [result.key for result in run(search)]
    study = stored()
    assert states(study) == ["FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    assert study.trials[1].values == [0.125]


def test_what_the_tracker_lacks_is_lost_and_proposed_again() -> None:
    sweep = make_search(trials=4)
    with open_search(sweep) as search:
        results = run(search)
    with open_search(sweep, results[:1] + results[2:]) as search:
        assert search.left == 1
        assert [result.spec for result in run(search)] == [results[1].spec]
    with open_search(sweep, results) as search:
        assert (search.left, search.next()) == (0, None)


def test_what_the_study_lacks_is_added() -> None:
    sweep = make_search(trials=15, pruning="median")
    with open_search(sweep) as search:
        results = run(search)
        params = [trial.params for trial in stored().trials]
    results[3] = end(results[3].spec, 0.5, status="pruned", reason="pruned by median after epoch 3")
    results[4] = end(results[4].spec, status="failed", reason="lost")
    other = make_search(name="rebuilt", trials=15, pruning="median")
    with open_search(other, results) as search:
        assert (search.left, search.next()) == (0, None)
        assert search.past == [result.spec for result in results]
    study = stored("rebuilt")
    assert [trial.params for trial in study.trials] == params
    assert states(study) == ["COMPLETE"] * 3 + ["PRUNED", "FAIL"] + ["COMPLETE"] * 10
    assert study.trials[3].values == [0.5]
    assert keys(study) == [[result.key] for result in results]


def test_results_of_other_trials_are_not_taken_for_the_sweeps() -> None:
    sweep = make_search(trials=2)
    foreign = [end(TrainSpec(seed=7)), end(TrainSpec(learning_rate=0.5, depth=56))]
    with open_search(sweep, foreign) as search:
        assert (search.past, search.left) == ([], 2)
    assert stored().trials == []


def test_more_trials_may_be_asked_for_later() -> None:
    with open_search(make_search(trials=4)) as search:
        first = run(search)
    with open_search(make_search(trials=6), first) as search:
        assert len(run(search)) == 2
    assert len(stored().trials) == 6


def test_a_point_is_told_the_mean_over_its_seeds() -> None:
    sweep = make_search(trials=2, seeds=[3, 5, 8])
    with open_search(sweep) as search:
        assert search.total == 6
        specs = [search.next() for _ in range(6)]
        assert [spec.seed for spec in specs if spec] == [3, 5, 8, 3, 5, 8]
        one, two, three, *others = [spec for spec in specs if spec]
        assert one.replace(seed=0) == two.replace(seed=0) == three.replace(seed=0)
        for spec, error in ((one, 0.1), (two, 0.3)):
            search.tell(end(spec, error))
            assert states(stored()) == ["RUNNING", "RUNNING"]
        search.tell(end(three, 0.2, status="diverged"))
        search.tell(end(others[0], 0.1))
        search.tell(end(others[1], status="failed", reason="lost"))
        search.tell(end(others[2], 0.1))
    study = stored()
    assert states(study) == ["COMPLETE", "FAIL"]
    assert study.trials[0].values == pytest.approx([(0.1 + 0.3 + 1.0) / 3])
    assert [len(group) for group in keys(study)] == [3, 3]


def test_some_seeds_of_a_point_that_ended_before_are_not_run_again() -> None:
    sweep = make_search(trials=1, seeds=[0, 1])
    with open_search(sweep) as search:
        first, second = search.next(), search.next()
    assert first and second
    with open_search(sweep, [end(first, 0.5)]) as search:
        assert search.next() == second
        assert search.next() is None
        search.tell(end(second, 0.25))
    assert stored().trials[-1].values == [0.375]


def test_a_point_asked_for_again_is_told_at_once() -> None:
    """Six points on two values: some are asked for while their trial runs, some after it ended."""
    sweep = make_search(axes={"shortcut": ["identity", "conv1x1"]}, trials=6)
    with open_search(sweep) as search:
        first, second = search.next(), search.next()
        assert {spec.shortcut.name for spec in (first, second) if spec} == {"identity", "conv1x1"}
        assert search.next() is None
        assert (search.total, search.left) == (2, 0)
        running = states(stored())
        assert running == ["RUNNING"] * 6
        for spec in (first, second):
            assert spec
            search.tell(end(spec, 0.25 if spec.shortcut.name == "identity" else 0.5))
    study = stored()
    assert states(study) == ["COMPLETE"] * 6
    assert [trial.value for trial in study.trials] == [
        0.25 if trial.params["shortcut"] == "identity" else 0.5 for trial in study.trials
    ]


def test_what_another_sweep_completed_is_told_at_once() -> None:
    with open_search(make_search(name="first", trials=3)) as search:
        known = {result.key: result for result in run(search)}
    sweep = make_search(trials=5)
    with open_search(sweep, complete=known.get) as search:
        specs = run(search)
        assert list(search.reused) == list(known)
        assert search.total == len(specs) == 2
    assert states(stored()) == ["COMPLETE"] * 5
    with open_search(sweep, specs, complete=known.get) as search:
        assert (search.left, list(search.reused)) == (0, list(known))


def test_an_axis_without_effect_does_not_make_a_result_foreign() -> None:
    """Without weight decay it makes no difference what it acts on, so the spec holds the default."""
    axes = {"optimizer.weight_decay": [0.0], "optimizer.weight_decay_on": ["all", "convolutions"]}
    with open_search(make_search(axes=axes, name="first", trials=2)) as search:
        results = run(search)
    assert len(results) == 1, "both points are the same trial"
    with open_search(make_search(axes=axes, trials=2), results) as search:
        assert search.past == [results[0].spec]
        assert search.next() is None
    assert states(stored()) == ["COMPLETE"] * 2


def test_lists_and_arguments_are_axes() -> None:
    axes = {
        "schedule.milestones": [[0.3, 0.6], [0.5]],
        "shortcut": ["exclusive_gate"],
        "shortcut.bias": {"low": -8, "high": -2},
        "optimizer.nesterov": [True, False],
        "dataset.train_examples": {"low": 500, "high": 1000},
    }
    sweep = make_search(axes=axes, trials=8)
    with open_search(sweep) as search:
        results = run(search, lambda spec: 0.5)
    assert {result.spec.schedule.values["milestones"] for result in results} == {(0.3, 0.6), (0.5,)}
    assert all(-8 <= result.spec.shortcut.values["bias"] <= -2 for result in results)
    assert all(type(result.spec.dataset.values["train_examples"]) is int for result in results)
    with open_search(make_search(axes=axes, trials=8, name="rebuilt"), results) as search:
        assert search.next() is None
    assert [trial.params for trial in stored("rebuilt").trials] == [trial.params for trial in stored().trials]


def test_components_and_cases_are_axes() -> None:
    parts: dict[str, Any] = {
        "axes": {"optimizer": ["sgd", {"name": "adamw", "weight_decay": 0.1}], **AXES},
        "cases": [{"network": "resnet", "depth": 20}, {"network": "vgg", "depth": 15}],
    }
    del parts["axes"]["shortcut"]
    with open_search(make_search(**parts, trials=10)) as search:
        results = run(search)
    assert {(str(spec.network), spec.depth) for spec in (result.spec for result in results)} == {
        ("resnet", 20),
        ("vgg", 15),
    }
    study = stored()
    assert {trial.params["optimizer"] for trial in study.trials} == {"sgd", '{"name": "adamw", "weight_decay": 0.1}'}
    assert {trial.params["case"] for trial in study.trials} == {
        '{"depth": 15, "network": "vgg"}',
        '{"depth": 20, "network": "resnet"}',
    }
    with open_search(make_search(**parts, trials=10, name="rebuilt"), results) as search:
        assert (search.left, search.next()) == (0, None)
    assert [trial.params for trial in stored("rebuilt").trials] == [trial.params for trial in study.trials]


GRADIENT: dict[str, Any] = {"analyses": {"path_gradient": {"examples": 50}}, "minimize": "path_gradient/gradient_norm"}


def measured(result: TrialResult, norm: float) -> TrialResult:
    return result.with_measurements([make_measurement("path_gradient", make_path_gradient([norm]), examples=50)])


def test_a_training_of_another_sweep_without_the_objective_is_proposed_to_be_measured() -> None:
    with open_search(make_search(name="first", trials=3)) as search:
        known = {result.key: result for result in run(search)}
    sweep = make_search(trials=3, **GRADIENT)
    with open_search(sweep, complete=known.get) as search:
        specs = [spec for spec in iter(search.next, None) if spec]
        assert ([spec.key for spec in specs], search.reused) == (list(known), {})
        search.tell(measured(known[specs[0].key], 0.75))
    assert states(stored()) == ["COMPLETE", "RUNNING", "RUNNING"]
    assert stored().trials[0].values == [0.75]
    past = [measured(known[specs[0].key], 0.75), *list(known.values())[1:]]
    with open_search(sweep, past, complete=known.get) as search:
        assert search.past == [specs[0]], "the others hold no gradient"
        assert [search.next(), search.next(), search.next()] == [*specs[1:], None]


def test_a_measurement_that_failed_is_not_tried_again() -> None:
    sweep = make_search(trials=1, **GRADIENT)
    with open_search(sweep) as search:
        spec = search.next()
        assert spec
        failure = FailedMeasurement(question=Question(Component("path_gradient", {"examples": 50})), reason="no memory")
        result = end(spec).with_measurements([], [failure])
        search.tell(result)
    assert states(stored()) == ["FAIL"]
    assert stored().trials[0].user_attrs[REASON] == "path_gradient/gradient_norm: no memory"
    with open_search(sweep, [result]) as search:
        assert (search.left, search.next()) == (0, None)


class CountedDict(dict[str, TrialResult]):
    """Counts how often somebody looks something up."""

    looks = 0

    def __contains__(self, key: object) -> bool:
        self.looks += 1
        return super().__contains__(key)

    def __getitem__(self, key: str) -> TrialResult:
        self.looks += 1
        return super().__getitem__(key)


def test_the_work_for_each_event_does_not_grow_with_the_points_that_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """All points run at the same time; a searcher that looked at each of them at every event would look 800 times."""
    monkeypatch.setenv(ADDRESS_VARIABLE, "sqlite://")  # in memory
    with open_search(make_search(trials=20, seeds=[0, 1], method="nsga2")) as search:
        search._results = CountedDict()
        specs = [spec for spec in iter(search.next, None) if spec]
        for spec in reversed(specs):
            search.tell(end(spec))
        assert len(specs) == 40
        assert search._results.looks <= 3 * len(specs), "twice when a trial is proposed, once when its point is told"
        assert [trial.state.name for trial in search._study.trials] == ["COMPLETE"] * 20


def test_a_point_inside_the_ranges_that_is_no_trial_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_file, "_known_points", lambda sweep: [{"depth": 8}])
    axes = {"depth": {"low": 8, "high": 20}}
    with open_search(make_search(axes=axes, trials=12)) as search:
        results = run(search, lambda spec: 0.5)
    assert {result.spec.depth for result in results} <= {8, 14, 20}
    reasons = [trial.user_attrs[REASON] for trial in stored().trials if trial.state.name == "FAIL"]
    assert reasons
    assert all("6n+2" in reason for reason in reasons)
    with open_search(make_search(axes=axes, trials=12), results) as search:
        assert search.left == 0, "it is not tried again"


def test_several_objectives() -> None:
    sweep = make_search(trials=9, method="nsga2", minimize=["val_error", "val_loss"])
    with open_search(sweep) as search:
        results = run(search)
    study = stored()
    assert [direction.name for direction in study.directions] == ["MINIMIZE"] * 2
    by_key = {result.key: [result.history[-1].val_error, 1.0] for result in results}
    assert [trial.values for trial in study.trials] == [by_key[key] for [key] in keys(study)]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"axes": {**AXES, "batch_size": {"low": 8, "high": 64}}}, "axes"),
        ({"base": {"depth": 26}}, "base"),
        ({"cases": [{"depth": 14}]}, "cases"),
        ({"minimize": "val_loss"}, "minimize"),
        ({"seeds": [0, 1]}, "seeds"),
    ],
)
def test_a_study_of_another_question_is_left_alone(changed: dict[str, Any], what: str) -> None:
    with open_search(make_search(trials=2)) as search:
        run(search)
    with pytest.raises(
        TrackingError, match=rf"optuna\.db: the study 'found' was begun with other {what}, so .*another na"
    ):
        open_search(make_search(trials=2, **changed))
    assert len(stored().trials) == 2


def test_other_arguments_of_what_is_minimized_are_another_question() -> None:
    with open_search(make_search(trials=2, **GRADIENT)):
        pass
    with open_search(
        make_search(trials=2, **{**GRADIENT, "analyses": {"path_count": {}, "path_gradient": {"examples": 50}}})
    ):
        pass
    with pytest.raises(TrackingError, match="was begun with other analyses, so"):
        open_search(make_search(trials=2, **{**GRADIENT, "analyses": {"path_gradient": {"examples": 60}}}))


def test_the_same_words_are_the_same_question() -> None:
    with open_search(make_search(trials=2)) as search:
        results = run(search)
    for changed in ({"method": "gp", "seed": 4}, {"pruning": "asha"}, {"analyses": {"path_gradient": {}}}):
        with open_search(make_search(trials=3, **changed), results) as search:
            assert search.left == 1


@pytest.mark.parametrize("address", ["nonsense://", "sqlite:////nowhere/at/all/optuna.db", "postgresql://a:secret@h/x"])
def test_a_database_that_cannot_be_used(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS_VARIABLE, address)
    with pytest.raises(
        TrackingError, match=r"the study of sweep 'found' cannot be used: .*RESABLATE_STUDY_STORAGE"
    ) as e:
        open_search(make_search())
    assert "secret" not in str(e.value)


def test_a_dashboard_shows_what_is_minimized_and_the_winner_of_the_report() -> None:
    """Read as optuna-dashboard does: the study's metric names and user attributes in its database."""
    sweep = make_search(trials=6)
    with open_search(sweep) as search:
        results = run(search)
        search.note_winner()
    winner = min(results, key=lambda result: result.history[-1].val_error or 1)
    [best] = best_outcomes(results, sweep, 1)
    assert best.results == (winner,)  # what the report goes by
    [summary] = optuna.get_all_study_summaries(study_address())
    told = summary.user_attrs[WINNER]
    assert told["trial"] == sweep.label(winner.spec)
    assert told["keys"] == [winner.key]
    study = stored()
    assert study.metric_names == ["val_error"]
    assert study.trials[told["number"]].values == [told["val_error"]] == [winner.history[-1].val_error]


def test_a_search_of_two_seeds_has_a_cell_as_its_winner() -> None:
    sweep = make_search(trials=3, seeds=[0, 1])
    with open_search(sweep) as search:
        results = run(search)
        search.note_winner()
    told = stored().user_attrs[WINNER]
    best = best_outcomes(results, sweep, 1)[0]
    assert told["keys"] == sorted(result.key for result in best.results) and len(told["keys"]) == 2
    assert "seed" not in told["trial"]
