"""`--json` on the verbs: each prints its record and nothing else; stop, clone, and words that change a sweep."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from resablate.commands.cli import app
from resablate.commands.json_records import RECORDS
from resablate.tracking import open_tracker
from tests.commands.shell import Shell
from tests.factories import make_result
from tests.scheduling.tiny import BASE

TINY: dict[str, Any] = {"name": "tiny", "base": dict(BASE), "axes": {"seed": [0, 1]}, "analyses": {}}
WITHOUT = {"claims", "submit", "ui", "sync", "sweeps", "runs", "rm", "doctor"}
"""Verbs whose output is another's JSON, a page, or a job's log."""


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})
    return Shell(tmp_path, monkeypatch, capsys)


def read(record: str, text: str) -> Any:
    """The record that a verb printed, checked by its own schema."""
    return RECORDS[record].model_validate(json.loads(text))


def test_every_verb_has_a_record_or_says_why_not() -> None:
    verbs = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert set(RECORDS) <= verbs
    assert verbs - set(RECORDS) <= WITHOUT
    for verb in RECORDS:
        options = [option for parameter in get_command(app).commands[verb].params for option in parameter.opts]  # type: ignore[attr-defined]
        assert "--json" in options, verb


def test_the_records_are_described(shell: Shell) -> None:
    rows = json.loads(shell("list", "json", "--json").out)
    assert {row["name"] for row in rows} == set(RECORDS)
    assert all(row["takes"] and row["what"] for row in rows)
    for record in RECORDS.values():
        assert record.model_json_schema()["properties"]


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
    from resablate.sweep import load_sweep

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


def test_nothing_is_stopped_that_does_not_run(shell: Shell) -> None:
    ran = shell("stop", "0" * 16)
    assert ran.code == 2 and "no trial with this key is under way here" in ran.err
