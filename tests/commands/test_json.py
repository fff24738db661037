"""`--json` on the verbs: each prints its record and nothing else; stop, clone, and words that change a sweep."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter
from typer.main import get_command

from resablate.commands.cli import app
from resablate.commands.json_output import RECORDS, schema
from resablate.sweep import load_sweep, parse_sweep
from resablate.tracking import open_tracker
from resablate.tracking.folder_tracker import FolderTracker
from tests.commands.shell import Shell
from tests.factories import make_result
from tests.scheduling.tiny import BASE

TINY: dict[str, Any] = {"name": "tiny", "base": dict(BASE), "axes": {"seed": [0, 1]}, "analyses": {}}


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "ray"))  # where the doctor looks for what other sweeps left
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})
    return Shell(tmp_path, monkeypatch, capsys)


def read(record: str, text: str) -> Any:
    """The record that a verb printed, checked by its own schema."""
    return TypeAdapter(RECORDS[record]).validate_json(text)


VERBS = get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_prints_json_of_a_described_kind(verb: str) -> None:
    assert "--json" in [option for parameter in VERBS[verb].params for option in parameter.opts]
    assert verb in RECORDS


def test_the_records_are_described(shell: Shell) -> None:
    plain = shell("list", "json").out
    schemas = json.loads(shell("list", "json", "--json").out)
    assert set(schemas) == set(RECORDS)
    assert {name.partition(" ")[0] for name in RECORDS} == set(VERBS)
    for name in RECORDS:
        Draft202012Validator.check_schema(schemas[name])
        assert f"\n{name} " in plain
        assert schemas[name] == schema(name)


def test_what_there_is_listed_and_forgotten_by_a_program(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = FolderTracker(shell.folder / "offline")
    result = make_result(seed=0)
    kept.start_sweep(parse_sweep({"name": "tiny", "axes": {"seed": [0]}}), trials=[result.spec], command="")
    kept.start_trial(result.spec)
    kept.finish_trial(result, weights={}, figures={})
    kept.end_sweep("finished")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "folder:kept")
    for filed in (1, 0):
        [synced] = read("sync", shell("sync", "offline", "--json").out)
        assert (synced.sweep, synced.filed, synced.there, synced.without_weights) == ("tiny", filed, 1 - filed, filed)
    [known] = read("sweeps", shell("sweeps", "--json").out)
    assert (known.sweep, known.counts, known.problem) == ("tiny", {"finished": 1}, "")
    ran = read("runs", shell("runs", "tiny", "--json").out)
    [trial] = ran.trials
    assert (ran.sweep, trial.state, trial.key) == ("tiny", "finished", result.key)
    assert trial.run == open_tracker().states("tiny")[trial.key].run_id
    verdicts = read("claims SWEEP", shell("claims", "tiny", "--json").out)
    assert {verdict.verdict for verdict in verdicts} == {"not tested"}
    assert [claim.claim for claim in read("claims", shell("claims", "--json").out)] == [v.claim for v in verdicts]

    assert read("rm", shell("rm", "tiny", "--yes", "--json").out).trials == 1
    assert read("sweeps", shell("sweeps", "--json").out) == []
    refused = shell("runs", "tiny", "--json")
    assert (refused.code, refused.out) == (2, "") and "no sweep called 'tiny'" in refused.err


def test_what_is_wrong_is_mended_by_a_program(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "memory:")
    half = shell.folder / ".resablate" / "tiny" / "trials" / ("3" * 16) / "checkpoint-000001.partial"
    half.parent.mkdir(parents=True)
    assert read("doctor", shell("doctor", "--json").out).model_dump() == {
        "sweeps": ["tiny"],
        "faults": [],
        "left": 0,
        "notes": [],
    }
    half.touch()
    wrong = shell("doctor", "--json")
    [fault] = read("doctor", wrong.out).faults
    assert (wrong.code, fault.mendable, fault.place) == (1, True, str(half))
    mended = read("doctor", shell("doctor", "--mend", "--json").out)
    assert (len(mended.faults), mended.left, mended.notes) == (1, 0, [f"mended: {fault.checkup}: {half}"])


def test_a_sweep_is_driven_by_a_program(shell: Shell) -> None:
    file = shell.write(TINY)
    checked = read("check", shell("check", file, "--json").out)
    assert (checked.sweep, checked.count) == ("tiny", 2)
    ran = shell("sweep", file, "seed=[0]", "epochs=1", "--inline", "--json")
    done = read("sweep", ran.out)
    assert (done.planned, done.ended, done.exit_code, ran.code) == (1, {"finished": 1}, 0, 0)
    standing = read("status", shell("status", "tiny", "--json").out)
    [trial] = standing.trials
    assert (standing.counts, trial.state, trial.epochs) == ({"finished": 1}, "finished", 1)
    assert trial.params["shortcut"] == "identity" and trial.key in open_tracker().complete_keys()

    like = read("clone", shell("clone", trial.key, "width=6", "--json").out)
    assert (like.sweep, like.ended) == ("trial", {"finished": 1})
    [other] = [key for key in open_tracker().complete_keys() if key != trial.key]
    _, result = open_tracker().load_trial(other)
    assert (result.spec.width, result.spec.epochs, str(result.spec.dataset)) == (6, 1, "digits(train_examples=128)")


def test_a_question_without_an_answer_is_in_the_exit_code(shell: Shell) -> None:
    file = shell.write({**TINY, "analyses": {"spectrum": {}}})
    sweep = load_sweep(shell.folder / file)
    result = make_result(seed=0, analysis_errors={"spectrum": "did not converge"})
    tracker = open_tracker()
    tracker.start_sweep(sweep, trials=[result.spec], command="")
    tracker.start_trial(result.spec)
    tracker.finish_trial(result, weights={}, figures={})
    tracker.end_sweep("finished")
    ran = shell("status", "tiny", "--json")
    [trial] = read("status", ran.out).trials
    assert ran.code == 1 and "spectrum" in trial.unanswered[0]
    plain = shell("status", "tiny")
    assert plain.code == 1 and "what got no answer is asked again with" in plain.err


def test_a_running_trial_is_stopped_and_the_others_go_on(shell: Shell) -> None:
    file = shell.write({**TINY, "base": {**BASE, "epochs": 400}, "axes": {"seed": [0]}})
    stopped: list[str] = []

    def stop() -> None:
        from resablate.storage.stop_requests import request_stop

        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for folder in shell.folder.glob(".resablate/tiny/trials/*"):
                if list(folder.glob("*epoch*")) or len(list(folder.iterdir())) > 0:
                    request_stop(folder)
                    stopped.append(folder.name)
                    return
            time.sleep(0.05)

    watcher = threading.Thread(target=stop)
    watcher.start()
    ran = shell("sweep", file, "--inline", "--json")
    watcher.join()
    assert read("sweep", ran.out).ended == {"pruned": 1}
    [trial] = read("status", shell("status", "tiny", "--json").out).trials
    assert trial.key == stopped[0] and trial.reason.startswith("stopped after epoch ") and trial.epoch < 400
    again = read("sweep", shell("sweep", file, "--inline", "--json").out)
    assert (again.ended, again.ended_before) == ({}, {"pruned": 1}), "it is not trained again by itself"


def test_nothing_is_stopped_that_does_not_run(shell: Shell) -> None:
    ran = shell("stop", "0" * 16)
    assert ran.code == 2 and "no trial with this key is under way here" in ran.err
