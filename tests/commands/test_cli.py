"""The command line: what it prints where, its exit codes, and what it says to bad input."""

import csv
import fcntl
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torchvision import models
from typer.main import get_command

from resablate.adapters import pretrained_builder
from resablate.commands import cli, tables
from resablate.commands.assignments import parse_duration
from resablate.commands.json_keeping import PagesRecord
from resablate.commands.option_syntax import check_options, options_of
from resablate.commands.tables import TABLES
from resablate.component import Component
from resablate.datasets import load_dataset
from resablate.errors import DatasetError
from resablate.measurement import Measurement
from resablate.registry import Registry
from resablate.result import TrialResult
from resablate.scheduling import run as run_module
from resablate.tracking import open_tracker
from resablate.tracking.leases import this_process
from resablate.training.loop import Training
from tests.commands.shell import Ran, Shell
from tests.factories import make_test
from tests.listening import command_line_of, family, listening
from tests.scheduling.tiny import BASE, final_plan
from tests.test_plan import EVERY_MISTAKE, WRONG_IN_EVERY_WAY
from tests.tracking.databases import make_database

ASKED: dict[str, Any] = {"lesion": {"examples": 64}, "path_gradient": {"examples": 8, "samples": 1}}
TINY: dict[str, Any] = {"name": "tiny", "base": dict(BASE), "axes": {"seed": [0, 1]}, "analyses": ASKED}
KNOBS = [f"{name}={value}" for name, value in BASE.items()]
KNOBS += [f"{name}.{argument}={value}" for name, given in ASKED.items() for argument, value in given.items()]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path, monkeypatch, capsys)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes a second for each result."""
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training or scheduling anything is a failure of the test."""

    def run(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("this is not to be run")

    monkeypatch.setattr(Training, "run_epoch", run)
    monkeypatch.setattr(run_module, "run_batches_on_ray", run)
    monkeypatch.setattr(run_module, "run_batches_inline", run)


# --- bad input


def changed(**parts: Any) -> dict[str, Any]:
    return {**TINY, **parts}


BAD_SWEEPS: dict[str, tuple[dict[str, Any] | str, str]] = {
    "unknown axis": (changed(axes={"learnin_rate": [0.1]}), r"axes\.learnin_rate: .*did you mean 'learning_rate'"),
    "unknown field": (changed(base={"epoch": 3}), r"base\.epoch: no such field; did you mean 'epochs'"),
    "unknown component": (changed(axes={"shortcut": ["idenity"]}), r"'idenity'; did you mean 'identity'.*conv1x1"),
    "unknown data set": (changed(base={"dataset": "digit"}), r"unknown dataset 'digit'; did you mean 'digits'"),
    "unknown analysis": (changed(analyses=["lesoin"]), r"analyses: unknown analysis 'lesoin'; did you mean 'lesion'"),
    "unknown argument": (
        changed(base={"shortcut": {"name": "exclusive_gate", "bais": -3}}),
        r"shortcut 'exclusive_gate' takes bias, batch_norm; got bais=-3; did you mean 'bias'",
    ),
    "unknown argument of an analysis": (
        changed(analyses={"lesion": {"exampls": 5}}),
        r"analysis 'lesion' takes examples, arithmetic, crop; got exampls=5; did you mean 'examples'",
    ),
    "wrong kind": (
        changed(base={"shortcut": "exclusive_gate", "shortcut.bias": "low"}),
        r"shortcut 'exclusive_gate': bias must be a number, got 'low'",
    ),
    "argument without its component": (
        changed(base={**BASE, "shortcut.bias": -3}),
        r"shortcut\.bias: no shortcut of this sweep takes it \(identity takes none\)",
    ),
    "argument of an axis without its component": (
        changed(axes={"shortcut": ["identity"], "shortcut.bias": [0, -6]}),
        r"shortcut\.bias: no shortcut of this sweep takes it \(identity takes none\)",
    ),
    "argument that no case takes": (
        changed(cases=[{"shortcut": "identity"}, {"shortcut": "dropout"}], axes={"shortcut.bias": [0, -6]}),
        r"shortcut\.bias: no shortcut of this sweep takes it \(identity takes none; dropout takes rate\)",
    ),
    "argument in two places": (
        changed(axes={"shortcut": [{"name": "dropout", "rate": 0.1}], "shortcut.rate": [0, 0.5]}),
        r"axes\.shortcut\.rate: also set inside axes\.shortcut; write it in one place",
    ),
    "cases that collide with an axis": (
        changed(base={}, cases=[{"depth": 8}, {"depth": 14}], axes={"depth": [20]}),
        r"cases: depth is also an axis; write its values in one place",
    ),
    "two equal cases": (
        changed(base={}, cases=[{"depth": 8}, {"depth": 14}, {"depth": 8.0}]),
        r"cases\[2\]: the same as cases\[0\]; remove one of the two",
    ),
    "a case of nothing": (changed(cases=[{"width": 8}, {}]), r"cases: must be a list of mappings from field to value"),
    "crop of images of one size": (
        changed(analyses={"test": {"crop": 32}}),
        r"analyses\.test: no trial can answer crop=32: the images of digits have one size and are not cut",
    ),
    "epochs beyond the run": (
        changed(analyses={"spectrum": {"epochs": [1, 9]}}),
        r"analyses\.spectrum\.epochs: no trial has more than 2 epochs, so nothing is asked after 9",
    ),
    "epochs of an analysis of trained networks": (
        changed(analyses={"path_count": {"epochs": [1]}}),
        r"analyses\.path_count\.epochs: path_count is asked of the trained network alone \(during training: lesion, ",
    ),
    "questions among the fields": (changed(base={"analyses": ["lesion"]}), r"base\.analyses: questions stand under"),
    "unknown search": (changed(search={"method": "gird"}), r"'gird'; did you mean 'grid'"),
    "depth": (changed(base={}, axes={"depth": [20, 21]}), r"depth: 21 is not 6n\+2 .*nearest: 20, 26"),
    "range with grid": (
        changed(axes={"learning_rate": {"low": 0.1, "high": 1.0}}),
        r"axes\.learning_rate: is a range, and method: grid needs a list",
    ),
    "empty axis": (changed(axes={"shortcut": []}), r"axes\.shortcut: an axis is a list .* got an empty list"),
    "value twice": (changed(axes={"seed": [1, 1]}), r"axes\.seed: duplicate value 1"),
    "value out of range": (changed(base={"learning_rate": -1}), r"base\.learning_rate: .*greater than 0, got -1"),
    "syntax": ("name: tiny\naxes:\n  seed: [0, 1\nbase: {}\n", r"tiny\.yaml.*\n.*line 4, column 5: not valid YAML"),
    "key twice": ("name: tiny\nname: two\n", r"line 2, column 1: .*'name' is written twice"),
    "a list": ("[1, 2]", r"a sweep is a mapping with name, base and axes, but this file is a list"),
    "nothing": ("", r"but this file is empty"),
    "name": (changed(name="../up"), r"name: .*got '\.\./up'"),
    "resources": (changed(resources={"cpus": 100_000}), r"asks for 100000 CPUs and 0 GPUs, but this machine has \d+"),
    "no such gpu": (changed(resources={"gpus": 1000}), r"asks for 1 CPUs and 1000 GPUs, but this machine has \d+ CPUs"),
    "markup": (changed(base={"dataset": "[red]x[/red]"}), r"base\.dataset: name must be .*, got '\[red\]x\[/red\]'"),
    "half a tag": (
        changed(base={"shortcut": "[/nonsense]<script>"}),
        r"base\.shortcut: .*, got '\[/nonsense\]<script>'",
    ),
}


def says_what_is_wrong(ran: Ran, pattern: str) -> None:
    assert ran.code == 2, ran
    assert re.search(pattern, ran.err), ran.err
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert ran.err.count("did you mean 'identity'") <= 1


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(
    ("verb", "case"),
    [
        (verb, case)
        for case in BAD_SWEEPS
        for verb in ("check", "sweep", "sweep --inline")
        # `check` says what a sweep costs, wherever it will run.
        if verb != "check" or case not in ("resources", "no such gpu")
    ],
)
def test_a_bad_sweep_is_one_message_and_changes_nothing(shell: Shell, verb: str, case: str) -> None:
    content, pattern = BAD_SWEEPS[case]
    shell.write(content)
    before = shell.files()
    says_what_is_wrong(shell(*verb.split(), "tiny.yaml"), pattern)
    assert shell.files() == before


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        ("sweep tiny.yml", r"tiny\.yml: no such sweep file; did you mean 'tiny\.yaml'"),
        ("sweep tiny.yaml --tracking-uri http://127.0.0.1:1", r"no MLflow server answers .*MLFLOW_TRACKING_URI"),
        ("sweep tiny.yaml --inline --tracking-uri http://127.0.0.1:1", r"http://127\.0\.0\.1:1: no MLflow server"),
        ("sweep tiny.yaml --inline --tracking-uri postgres://me:secret@there/db", r"postgres://\*\*\*@there"),
        ("sweep tiny.yaml --inline --tracking-uri sqlite:////no/where/mlflow.db", r"/no/where does not exist"),
        ("sweep clothes.yaml --data-root nowhere", r"--data-root nowhere: no such folder"),
        ("sweep clothes.yaml --inline --data-root nowhere", r"--data-root nowhere: no such folder"),
        ("trial shortcut=idenity", r"unknown shortcut 'idenity'; did you mean 'identity'"),
        ("trial detph=20", r"detph: no such field; did you mean 'depth'"),
        ("trial depth=21", r"depth: 21 is not 6n\+2 .*nearest: 20, 26"),
        ("trial depth", r"'depth': write a knob as name=value"),
        ("trial depth=20 depth=26", r"'depth=26': depth is set twice"),
        ("trial shortcut.bias=2 shortcut.bias=1", r"'shortcut\.bias=1': shortcut\.bias is set twice"),
        ("trial analyses=3", r"analyses: unknown analysis '3'"),
        ("trial analyses=lesion,lesoin", r"analyses: unknown analysis 'lesoin'; did you mean 'lesion'"),
        ("trial lesion.exampls=5", r"analysis 'lesion' takes examples, arithmetic, crop; got exampls=5; did you mean"),
        ("trial lesion=5", r"lesion: no such field"),
        ("trial shortcutt.bias=5", r"unknown analysis 'shortcutt'"),
        ("trial lesion.crop=32", r"analyses\.lesion: no trial can answer crop=32: the images of digits have one size"),
        ("trial epochs=3 spectrum.epochs=[4]", r"analyses\.spectrum\.epochs: no trial has more than 3 epochs"),
        ("trial seed=[1", r"'seed=\[1': the value is no YAML"),
        ("trial shortcut=identity shortcut.bias=-3", r"shortcut\.bias: no shortcut of this sweep takes it"),
        ("trial shortcut.bias=-3", r"shortcut\.bias: no shortcut of this sweep takes it \(identity takes none\)"),
        ("trial dataset=fashion_mnist --data-root nowhere", r"--data-root nowhere: no such folder"),
        ("trial --tracking-uri http://127.0.0.1:1", r"no MLflow server answers"),
        ("report tiny", r"no sweep 'tiny', there is no database there yet"),
        ("report tiny --tracking-uri http://127.0.0.1:1", r"no MLflow server answers"),
        ("ui", r"mlflow\.db: no records here yet; run a sweep first"),
        ("ui --tracking-uri http://127.0.0.1:1", r"the records are kept by a server; open that address"),
        (
            "report tiny --tracking-uri sqlite:///tiny.yaml",
            r"tiny\.yaml: there is a file, but it is no",
        ),
        ("sweep tiny.yaml --inline --tracking-uri sqlite:///tiny.yaml", r"it is no sqlite database"),
        ("sweep tiny.yaml --inline --tracking-uri sqlite:///folder", r"not readable as a database \(Is a directory\)"),
        ("status tinny", r"no sweep 'tinny', there is no database"),
        ("sweep tiny.yaml --retry all", r"--retry: takes the word failed, got 'all'"),
        *(
            (f"sweep tiny.yaml --time-budget {text}", r"--time-budget: a time above zero, such as 90s, 30m or 2h; got")
            for text in ("2", "0s", "2d", "-1h", "h", "1h30m")
        ),
        ("sweep tiny.yaml --max-trials 0", "--max-trials: a whole number of at least 1, got '0'"),
        ("ui --port 70000", r"Invalid value for '--port'.* 65535"),
        ("list shortcut", r"unknown table 'shortcut'; did you mean 'shortcuts'"),
    ],
)
def test_bad_words_are_one_message_and_change_nothing(shell: Shell, words: str, pattern: str) -> None:
    shell.write(TINY)
    shell.write({"name": "clothes", "base": {"dataset": "fashion_mnist"}}, "clothes.yaml")
    (shell.folder / "folder").mkdir()
    before = shell.files()
    says_what_is_wrong(shell(*words.split()), pattern)
    assert shell.files() == before


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "sweep wrong.yaml epochs detph=3 --retry all --time-budget 2 --dry-run --rerun all --offline --data-root n",
            ["'epochs'", "detph", "idenity", "--retry", "--time-budget", "--rerun", "--offline", "--data-root n"],
        ),
        ("sweep wrong.yaml detph=3 --tracking-uri sqlite:////no/where/x.db", ["detph", "idenity", "/no/where"]),
        (
            "sweep wrong.yaml --max-trails 3 --foo --max-trials none detph=3 --rerun",
            [
                "--max-trails: no such option; did you mean '--max-trials'",
                "--foo",
                "got 'none'",
                "detph",
                "--rerun: takes",
            ],
        ),
        ("sweep nowhere.yaml --foo", ["nowhere.yaml", "--foo: no such option"]),
        ("check wrong.yaml --foo=1 -x detph=3", ["--foo", "-x: no such option", "detph", "idenity"]),
        ("trial --foo epochs=0", ["--foo", "epochs"]),
        ("clone 0123456789abcdef --foo depth", ["--foo", "'depth'", "0123456789abcdef"]),
        ("analyze tiny --qqq lesoin", ["--qqq", "lesoin"]),
        ("report tiny --foo", ["--foo", "no sweep called 'tiny'"]),
        ("claims nowhere --foo", ["--foo", "no sweep called 'nowhere'"]),
        ("claims --plan X --foo --depth none --seeds 0", ["'X'", "--foo", "--depth: a whole", "--seeds: a whole"]),
        ("claims --bar --foo", ["--foo", "--bar"]),
        (
            "submit wrong.yaml --foo -- detph=3 --bar --max-trials 0 --time-budget 2 --retry all",
            ["--foo", "--address", "detph", "--bar", "--max-trials: a", "--time-budget", "--retry"],
        ),
        ("status tiny --foo --bar", ["status: 2 problems", "--foo", "--bar"]),
        ("check wrong.yaml epochs detph=3 --tracking-uri sqlite:////no/x.db", ["'epochs'", "detph", "idenity", "/no"]),
        ("trial depth epochs=0 shortcut=idenity --data-root no", ["'depth'", "epochs", "idenity", "--data-root no"]),
        (
            "clone 0123456789abcdef depth epochs=0 shortcut=idenity shorcut.bias=2 --data-root no",
            ["'depth'", "epochs", "0123456789abcdef", "idenity", "did you mean 'shortcut', a field of a training?"],
        ),
        (
            "analyze tiny lesoin depth=3 =4 --weights w --data-root no",
            ["lesoin", "depth", "'=4'", "--weights", "no sweep called 'tiny'"],
        ),
        ("report tiny --folder tiny.yaml/x", ["tiny.yaml/x", "no sweep called 'tiny'"]),
        ("claims H1 nowhere nowhere", ["H1", "--plan H1", "every sweep once", "no sweep called 'nowhere'"]),
        ("claims --plan X Y --dataset cifar --output tiny.yaml", ["'X'", "'Y'", "'cifar'", "--output tiny.yaml"]),
        ("claims --plan H1 --output no/where.yaml --dataset cifar", ["'cifar'", "--output no/where.yaml"]),
        (
            "submit wrong.yaml --send NOWHERE --send NOR --include /proc/x -- detph=3",
            ["--address", "NOWHERE", "NOR", "/proc/x", "detph", "idenity"],
        ),
    ],
)
def test_what_one_call_gets_wrong_is_told_at_once(shell: Shell, words: str, told: list[str]) -> None:
    shell.write(TINY)
    shell.write(changed(base={"shortcut": "idenity"}), "wrong.yaml")
    make_database(shell.folder)
    before = shell.files()
    ran = shell(*words.split())
    assert (ran.code, ran.out) == (2, "")
    assert re.match(r".*: \d+ problems\n", ran.err)
    assert [word for word in told if word not in ran.err] == []
    assert {*shell.files()} <= {*before, "mlflow.db.lock"}


def test_a_word_that_is_missing_does_not_hide_an_option_that_is_none(shell: Shell) -> None:
    ran = shell("sweep", "--foo")
    assert ran.code == 2
    assert "Missing argument 'FILE'" in ran.err and "--foo: no such option" in ran.err


@pytest.mark.parametrize("verb", get_command(cli.app).commands)  # type: ignore[attr-defined]
def test_every_option_that_the_help_names_is_one(verb: str, shell: Shell) -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", shell(verb, "--help").out.partition("Options")[2]))
    options = options_of(get_command(cli.app).commands[verb])  # type: ignore[attr-defined]
    assert {"--json", "--help"} <= named <= {*options, "--help"}


def test_options_are_looked_at_before_the_parser_stops_at_one() -> None:
    options = {"--max-trials": True, "--inline": False}
    for words in (
        ["f", "--max-trials", "-1", "--inline"],
        ["--max-trials=3", "a=-6", "--", "--foo"],
        ["-"],
        ["--help"],
    ):
        assert check_options(words, options) == (words, [])
    assert check_options(["--max-trials"], options) == ([], ["--max-trials: takes a value, which is missing"])
    found = check_options(["--max-trial", "3", "--inlin", "a=1", "--what", "b", "-6", "--"], options)
    assert found.words == ["a=1", "b", "--"], "the value of a misspelled option is no word of the verb"
    assert [problem.partition(":")[0] for problem in found.problems] == ["--max-trial", "--inlin", "--what", "-6"]


def test_all_mistakes_of_a_file_are_told_at_once(shell: Shell) -> None:
    shell.write(changed(base={"epoch": 3, "shortcut": "idenity"}, axes={"depth": [21], "seed": []}))
    ran = shell("sweep", "tiny.yaml")
    assert ran.code == 2
    assert ran.err.startswith("tiny.yaml: 4 problems\n")
    for word in ("epoch", "idenity", "21", "seed"):
        assert word in ran.err


@pytest.mark.usefixtures("nothing_runs")
@pytest.mark.parametrize("verb", ["check", "sweep", "sweep --inline", "sweep --dry-run"])
def test_mistakes_of_every_kind_are_told_at_once(shell: Shell, verb: str) -> None:
    shell.write({"name": "tiny", **WRONG_IN_EVERY_WAY})
    before = shell.files()
    ran = shell(*verb.split(), "tiny.yaml")
    assert (ran.code, ran.out) == (2, "")
    head, *lines = ran.err.splitlines()
    assert head == f"tiny.yaml: {len(EVERY_MISTAKE)} problems"
    assert len(lines) == len(EVERY_MISTAKE)
    for start in EVERY_MISTAKE:
        assert any(line.startswith(f"  {start}") for line in lines), start
    assert shell.files() == before


def test_mistakes_in_words_are_told_at_once(shell: Shell) -> None:
    ran = shell("trial", "shortcut=idenity", "detph=3", "lesion.exampls=5", "analyses=lesoin,lesion")
    assert ran.code == 2
    assert ran.err.splitlines()[0] == "trial: 4 problems"
    for word in ("detph: no such field", "'idenity'", "'lesoin'", "exampls=5"):
        assert word in ran.err


def test_a_report_of_another_sweep_names_those_there_are(shell: Shell) -> None:
    tracker = open_tracker(make_database(shell.folder))
    from resablate.sweep import parse_sweep

    tracker.start_sweep(parse_sweep({"name": "quickstart"}), trials=[], command="")
    before = shell.files()
    ran = shell("report", "quickstrat")
    says_what_is_wrong(ran, r"no sweep called 'quickstrat'; did you mean 'quickstart'\? \(there: quickstart\)")
    assert shell.files() == before
    ran = shell("report", "quickstart")
    says_what_is_wrong(ran, r"sweep quickstart: a report needs at least one trial that has ended")
    assert shell.files() == before


# --- good input


@pytest.mark.parametrize("table", [*TABLES, "fields"])
def test_list_shows_every_row_of_every_table(shell: Shell, table: str) -> None:
    ran = shell("list", table)
    assert ran.code == 0
    assert ran.err == ""
    names = [line.split()[0] for line in ran.out.splitlines()[1:] if line and not line.startswith(" ")]
    rows = TABLES[table] if table in TABLES else cli_fields()
    assert names == list(rows)


def cli_fields() -> list[str]:
    from resablate.spec import TrainSpec

    return list(TrainSpec.model_fields)


def test_list_without_a_table_names_them(shell: Shell) -> None:
    assert shell("list").out.split() == [*(f"{name}," for name in TABLES), "fields,", "json"]


def test_a_row_with_markup_in_its_name_is_shown_as_it_is(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def entry() -> None:
        """[red]Not red[/red], and [/nothing] is closed."""

    monkeypatch.setattr(tables, "TABLES", {"rows": Registry("row", "rows", {"[bold]name": entry})})
    ran = shell("list", "rows")
    assert ran.code == 0
    assert "[bold]name" in ran.out
    assert "[red]Not red[/red], and [/nothing] is closed." in ran.out


@pytest.mark.usefixtures("nothing_runs")
def test_check_tells_trials_and_costs_and_runs_nothing(shell: Shell) -> None:
    shell.write(changed(base={}, axes={"shortcut": ["identity", "none"], "depth": [20, 56], "seed": [0, 1]}))
    before = shell.files()
    ran = shell("check", "tiny.yaml")
    assert ran.code == 0
    assert ran.err == ""
    heading, *rows = ran.out.splitlines()
    assert re.split(r"\s{2,}", heading) == ["trial", "parameters", "multiply-adds", "one CPU core"]
    assert sum("depth 56" in row for row in rows) == 4
    assert re.search(r"tiny\.yaml: 8 trials, about [\d hmins]+ on one CPU core", ran.out)
    # The 269,722 of ResNet-20 without two of its three input channels; plain networks have as many.
    costs = [re.split(r"\s{2,}", row)[1:3] for row in rows if "depth 20" in row]
    assert costs == [[f"{269_722 - 2 * 9 * 16:,}", "2,516,608"]] * 4
    assert shell.files() == before


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"pack": 1}, []),
        ({"pack": 4}, ["packs: 2 packs of 3 trials"]),
        (
            {},
            [
                "packs: up to 6 trials of one shape, as many at a time as train fastest: measured when the sweep"
                " begins, where they train long enough for that"
            ],
        ),
    ],
)
def test_check_and_a_dry_run_say_how_trials_are_packed(
    shell: Shell, resources: dict[str, Any], said: list[str]
) -> None:
    shell.write(changed(axes={"seed": [0, 1, 2], "learning_rate": [0.1, 0.2]}, resources=resources))
    make_database(shell.folder)
    for words in (["check", "tiny.yaml"], ["sweep", "tiny.yaml", "--dry-run"]):
        assert [line for line in shell(*words).out.splitlines() if line.startswith("packs: ")] == said


def test_check_says_which_steps_a_gpu_takes_kernel_by_kernel_and_why(shell: Shell) -> None:
    axes = {
        "dataset": ["digits", "image_folder"],
        "block_sampling": ["all", "stochastic_depth"],
        "regularizer": ["none", "spectral_penalty"],
    }
    small, note = {"depth": 8, "width": 4}, re.compile(r"steps of (\d+) trials?, on a GPU: kernel by kernel, for (.*)")
    shell.write(changed(base=small, axes=axes))
    assert set(note.findall(shell("check", "tiny.yaml").out)) == {
        ("1", "its regularizer computes what waits for the GPU"),
        ("2", "other blocks are drawn for every batch"),
        ("4", "images are decoded while it trains"),
    }
    shell.write(changed(base={**small, "regularizer": "spectral_penalty"}, resources={"gpus": 0}))
    assert note.findall(shell("check", "tiny.yaml").out) == []


@pytest.mark.usefixtures("nothing_runs")
def test_check_says_why_nothing_is_packed(shell: Shell) -> None:
    shell.write(changed(axes={"seed": [0, 1]}, base={"compile": True}))
    said = shell("check", "tiny.yaml").out
    assert "\npacks: none\n2 trials train by themselves: compile: " in said
    asked = json.loads(shell("check", "tiny.yaml", "--json").out)["notes"]
    assert "packs: none" in asked


@pytest.mark.usefixtures("nothing_runs")
def test_check_of_a_search_says_how_many_trials_are_asked_for_at_once(shell: Shell) -> None:
    axes = {"learning_rate": {"low": 0.01, "high": 1, "log": True}}
    shell.write(changed(axes=axes, search={"method": "tpe", "trials": 30, "pruning": "asha"}))
    assert "packs: of no more than 3 trials, which tpe proposes at once" in shell("check", "tiny.yaml").out
    shell.write(changed(axes=axes, search={"method": "tpe", "trials": 5}, resources={"pack": 9}))
    assert "packs: of no more than 5 trials, which tpe proposes at once" in shell("check", "tiny.yaml").out
    shell.write(changed(axes=axes, search={"method": "random", "trials": 30, "pruning": "hyperband"}))
    assert "packs: none, for hyperband has trials wait for each other" in shell("check", "tiny.yaml").out


def test_check_of_a_search_says_how_many_trials_it_proposes(shell: Shell) -> None:
    search = {"method": "tpe", "trials": 30, "seeds": [0, 1], "pruning": "none"}
    axes = {"shortcut": ["identity", "none"], "learning_rate": {"low": 0.01, "high": 1, "log": True}}
    shell.write(changed(base={}, axes=axes, search=search))
    before = shell.files()
    ran = shell("check", "tiny.yaml")
    assert ran.code == 0
    assert re.search(r"tiny\.yaml: 60 trials proposed one by one, about [\d hmins]+ on one CPU core", ran.out)
    assert "tpe proposes the trials one by one, such as these" in ran.out
    assert shell.files() == before


def test_a_trial_prints_its_outcome_and_is_not_run_twice(shell: Shell, no_figures: None) -> None:
    make_database(shell.folder)
    ran = shell("trial", *KNOBS, "shortcut=exclusive_gate", "shortcut.bias=-3")
    assert ran.code == 0
    assert re.fullmatch(r"trial: 1 trials, 0 complete before, 1 finished; \d+ s\n", ran.out)
    assert "finished, test error" in ran.err
    assert f"records: {shell.folder / 'mlflow.db'}" in ran.err
    [result] = open_tracker().load_sweep("trial").results
    assert result.spec.shortcut.values == {"bias": -3, "batch_norm": False}
    assert result.spec.width == BASE["width"]

    ran = shell("trial", *KNOBS, "shortcut=exclusive_gate", "shortcut.bias=-3.0")
    assert (ran.code, "1 complete before, nothing to run" in ran.out) == (0, True)


def test_analyze_a_run_a_key_and_a_sweep(shell: Shell, no_figures: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resablate.figures.draw_all", lambda result: {})
    make_database(shell.folder)
    shell("trial", *KNOBS)
    tracker = open_tracker()
    [(key, run_id)] = tracker.load_sweep("trial").run_ids.items()
    before = tracker.load_trial(run_id)[1].analyses["lesion"]

    ran = shell("analyze", run_id, "lesion.examples=64", "--again")
    assert ran.code == 0, ran.err
    heading, *rows = ran.out.splitlines()
    assert heading.split() == ["analysis", "number", "value", "unit"]
    assert {row.split()[1]: float(row.split()[2]) for row in rows} == pytest.approx(before.summary, rel=1e-5)
    assert f"run {run_id}" in ran.err

    ran = shell("analyze", key, "lesion.examples=16")
    assert ran.code == 0, ran.err
    assert {"lesion", "lesion examples 16"} <= set(open_tracker().load_trial(key)[1].analyses)
    ran = shell("analyze", "trial", "lesion.examples=16", "--inline")
    assert (ran.code, ran.out) == (0, "trial: 0 of 0 trials analyzed\n")

    ran = shell("analyze", "trial", "--inline", "--again")
    assert (ran.code, ran.out) == (0, "trial: 1 of 1 trials analyzed\n")
    assert repr(open_tracker().load_trial(key)[1].analyses["lesion"]) == repr(before)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["tinny"], r"no sweep called 'tinny' \(there: none\)"),
        (["f" * 32], f"looking for run '{'f' * 32}' failed: .*not found"),
        (
            ["tiny", "lesion", "--weights", "w"],
            r"--folder go with a network of another package, ADAPTER:NAME",
        ),
        (["tiny", "depth=20"], r"depth: not an analysis with an argument, such as lesion\.examples=500"),
        (["tiny", "lesion.examples=a="], r"examples must be a whole number, got 'a='"),
        (["tiny", "lesoin", "lesion.exampls=3"], r"(?s)'lesoin'; did you mean 'lesion'.*\n.*got exampls=3"),
        (
            ["tiny", "path_count.epochs=[1]"],
            r"analyze\.path_count\.epochs: path_count is asked of the trained network alone",
        ),
    ],
)
def test_analyze_says_what_is_wrong(shell: Shell, words: list[str], expected: str) -> None:
    make_database(shell.folder)
    says_what_is_wrong(shell("analyze", *words), expected)


WRONG_IN_ALL = (
    "torchvision:resnet19 lesoin dataset.sied=3 seed=x depth=3 =2 --json --weights none.pth --folder five.pth/x"
)


@pytest.fixture
def folder_of_three_classes(tmp_path: Path) -> list[str]:
    """What `analyze torchvision:resnet18` needs, as words of the command line."""
    source = torch.Generator().manual_seed(0)
    for part in ("train", "val"):
        for label in ("cat", "dog", "owl"):
            place = tmp_path / "data" / part / label
            place.mkdir(parents=True)
            for number in range(4):
                pixels = torch.randint(256, (40, 44, 3), generator=source, dtype=torch.uint8)
                Image.fromarray(pixels.numpy()).save(place / f"{number}.png")
    torch.save(models.resnet18(num_classes=3).state_dict(), tmp_path / "three.pth")
    torch.save(models.resnet18(num_classes=5).state_dict(), tmp_path / "five.pth")
    return ["--dataset", "image_folder", "--data-root", "data"]


def test_analyze_a_network_that_nobody_here_wrote(shell: Shell, folder_of_three_classes: list[str]) -> None:
    options = [*folder_of_three_classes, "--weights", "three.pth", "--folder", "found"]
    ran = shell("analyze", "torchvision:resnet18", *options, "lesion.crop=32", "lesion.examples=12")
    assert ran.code == 0, ran.err
    assert re.search(r"lesion\(crop=32, examples=12\) +baseline_error +\S+ +fraction", ran.out)
    [own] = {path for path in (shell.folder / "found").iterdir() if path.is_dir()}
    assert re.fullmatch(r"three_image_folder_[0-9a-f]{8}", own.name)
    assert {path.name for path in own.iterdir()} == {
        "lesion_crop_32_examples_12.csv",
        "lesion_crop_32_examples_12.png",
    }
    head, *rows = (own / "lesion_crop_32_examples_12.csv").read_text().splitlines()
    assert head.startswith("block,error")
    assert len(rows) == 8
    with (shell.folder / "found" / "summary.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert {(row["network"], row["weights"], row["data"], row["folder"]) for row in table} == {
        ("torchvision:resnet18", "three.pth", "image_folder", own.name)
    }
    digest = hashlib.sha256((shell.folder / "three.pth").read_bytes()).hexdigest()
    assert {row["weights_sha256"] for row in table} == {digest}


def test_analyze_the_weights_of_a_cifar_code_base(shell: Shell) -> None:
    """A file as akamaster/pytorch_resnet_cifar10 saves it: beside the best precision, from a data-parallel network."""
    theirs = torch.nn.DataParallel(pretrained_builder("akamaster:resnet20")(num_classes=10))
    torch.save({"state_dict": theirs.state_dict(), "best_prec1": 91.7}, shell.folder / "resnet20.th")
    options = ["--dataset", "synthetic", "--weights", "resnet20.th", "--folder", "found"]
    words = ["lesion.examples=12", "branch_ablation.examples=12", "block_spans.examples=12", "path_count"]
    ran = shell("analyze", "akamaster:resnet20", *words, *options)
    assert ran.code == 0, ran.err
    assert re.search(r"branch_ablation\(examples=12\) +mean_loss_increase_by_mean +\S+ +nats", ran.out)
    for name in ("lesion_examples_12", "branch_ablation_examples_12"):
        [table] = (shell.folder / "found").glob(f"*/{name}.csv")
        with table.open(newline="") as file:
            changes = [float(row["changes_dimension"]) for row in csv.DictReader(file)]
        assert changes == [0, 0, 0, 1, 0, 0, 1, 0, 0], "three blocks in each of three stages"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["timm:vgg11", "--weights", "five.pth", "lesion.crop=32"],
            "VGG: no two activations of one shape are added anywhere",
        ),
        (
            ["akamaster:resnet20", "--weights", "five.pth", "lesion.crop=32"],
            r"(?s)the weights of akamaster:resnet20: 0 of its 97 .*missing, 32: .*in the network, 44: .*fit, 65: conv1",
        ),
        (
            ["torchvision:resnet34", "--weights", "five.pth", "lesion.crop=32"],
            r"(?s)not the weights of torchvision:resnet34.*missing, \d+: layer1\.2\.conv1\.weight, .* and \d+ more",
        ),
        (["torchvision:resnet18", "--weights", "five.pth", "lesion.crop=32"], "tells 5 classes apart.* has 3"),
        (["torchvision:resnet18", "--weights", "none.pth"], r"none\.pth: no such file"),
        (["torchvision:resnet18"], "torchvision:resnet18: needs --weights FILE"),
        (
            WRONG_IN_ALL.split(),
            r"(?s)8 problems.*'=2'.*depth: .*five\.pth/x.*'lesoin'.*sied=3.*'resnet19'.*none\.pth.*seed",
        ),
        (
            ["torchvision:resnet19", "--weights", "five.pth", "lesoin", "lesion.exampls=3"],
            r"(?s)3 problems.*'lesoin'; did you mean.*got exampls=3.*'resnet19'; did you mean",
        ),
        (
            ["torchvision:resnet18", "--weights", "five.pth", "depth=3"],
            r"depth: not of a network of another package, which takes seed, dataset\.ARGUMENT and the arguments",
        ),
    ],
)
def test_analyze_says_what_a_foreign_network_lacks(
    shell: Shell, folder_of_three_classes: list[str], words: list[str], expected: str
) -> None:
    says_what_is_wrong(shell("analyze", *words, *folder_of_three_classes), expected)


def test_sweep_then_sweep_again_then_report(shell: Shell) -> None:
    shell.write(TINY)
    ran = shell("sweep", "tiny.yaml", "--inline")
    assert ran.code == 0
    assert re.fullmatch(r"tiny: 2 trials, 0 complete before, 2 finished; \d+ s\n", ran.out)
    assert re.search(
        r"\[1/2\] .*seed 0.*: finished, test error \d+\.\d+ %; best val .* %; \d+ s so far, about \d+ s left", ran.err
    )

    start = time.monotonic()
    ran = shell("sweep", "tiny.yaml", "--inline")
    assert time.monotonic() - start < 5
    assert ran.code == 0
    assert re.fullmatch(r"tiny: 2 trials, 2 complete before, nothing to run; \d s\n", ran.out)
    assert "2 of 2 trials are complete already" in ran.err

    ran = shell("report", "tiny")
    assert ran.code == 0
    assert ran.err == ""
    page = Path(ran.out.strip())
    assert page == shell.folder / "reports" / "tiny" / "index.html"
    assert "resablate sweep tiny.yaml --inline" in page.read_text()
    assert Path(shell("report", "tiny", "--folder", "elsewhere").out.strip()).resolve() == (
        shell.folder / "elsewhere" / "tiny" / "index.html"
    )


def test_exit_code_1_where_a_trial_failed(shell: Shell, no_figures: None, monkeypatch: pytest.MonkeyPatch) -> None:
    make_database(shell.folder)

    def gone(dataset: Component, root: Path | None = None) -> Any:  # it was there a moment ago
        if dataset.name == "synthetic":
            raise DatasetError("[red]gone[/red]: no such folder")
        return load_dataset(dataset, root)

    monkeypatch.setattr("resablate.trial_data.load_dataset", gone)
    base = {name: value for name, value in BASE.items() if name != "dataset"}
    shell.write(changed(base=base, axes={"dataset": ["synthetic", "digits"]}))
    ran = shell("sweep", "tiny.yaml", "--inline")
    assert ran.code == 1
    assert "1 failed, 1 finished" in ran.out
    assert "failed, DatasetError: [red]gone[/red]: no such folder" in ran.err
    assert "to run what failed again, add --retry failed" in ran.err

    ran = shell("sweep", "tiny.yaml", "--inline")
    assert ran.code == 1
    assert re.fullmatch(r"tiny: 2 trials, 1 complete before, 1 failed before; \d+ s\n", ran.out)
    ran = shell("status", "tiny")
    assert ran.code == 1, "a trial failed"
    first, heading, row = ran.out.splitlines()
    assert first == "tiny: 2 trials: 0 pending, 0 running, 1 finished, 0 diverged, 0 pruned, 1 failed"
    assert heading.split() == ["trial", "key", "state", "epochs", "reason"]
    assert re.search(r"^identity dataset synthetic +[0-9a-f]{16} +failed +0/2 +DatasetError: \[red\]gone", row)
    assert "resablate sweep FILE --retry failed" in ran.err

    ran = shell("sweep", "tiny.yaml", "--inline", "--retry", "failed", "--dry-run")
    assert ran.code == 0
    assert re.search(r"synthetic .* failed: would run again +0/2", ran.out)
    assert "tiny: 2 trials, 1 complete, 1 would run, 0 questions" in ran.out


@pytest.mark.usefixtures("nothing_runs")
def test_a_dry_run_tells_every_trial_and_writes_nothing(shell: Shell) -> None:
    axes = {"seed": [0, 1, 2, 3]}
    shell.write(changed(axes=axes))
    make_database(shell.folder)
    tracker = open_tracker()
    plan = final_plan(axes)
    first = plan.trials
    tracker.start_sweep(plan.sweep, trials=first, command="")
    answers = tuple(Measurement(question=question, result=make_test(0.1)) for question in plan.questions(first[0]))
    for spec, measurements in ((first[0], answers), (first[3], answers[:1])):
        tracker.start_trial(spec)
        result = TrialResult(spec=spec, status="finished", measurements=measurements)
        tracker.finish_trial(result, weights={}, figures={})
    tracker.start_trial(first[1])
    tracker.end_sweep("interrupted")
    before = shell.files()
    ran = shell("sweep", "tiny.yaml", "--dry-run", "--max-trials", "1")
    assert (ran.code, ran.err) == (0, "")
    rows = [re.split(r"\s{2,}", line.strip())[:3] for line in ran.out.splitlines()[1:-1]]
    states = ("finished", "pending: would run", "pending: would leave")
    assert rows[:3] == [
        [f"identity seed {spec.seed}", spec.key, state] for spec, state in zip(first, states, strict=False)
    ]
    assert rows[3][2].startswith("finished: would be asked lesion(examples=64), path_gradient(")
    assert ran.out.splitlines()[-1] == (
        "tiny: 4 trials, 2 complete, 1 would run, 2 questions would be put to trained networks; nothing was run"
    )
    assert shell.files() == before

    ran = shell("status", "tiny")
    assert ran.out.splitlines()[0] == (
        "tiny: 4 trials: 2 pending, 0 running, 2 finished, 0 diverged, 0 pruned, 0 failed"
    )
    assert shell.files() == before


def test_status_of_a_sweep_that_was_killed_says_that_nobody_runs_it(shell: Shell) -> None:
    make_database(shell.folder)
    tracker = open_tracker()
    plan = final_plan({"seed": [0, 1]})
    gone = this_process()._replace(start="1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resablate.tracking.mlflow_leases.this_process", lambda: gone)
        tracker.start_sweep(plan.sweep, trials=plan.trials, command="")
    tracker.start_trial(plan.trials[0])
    ran = shell("status", "tiny")
    assert (ran.code, "1 pending, 1 running, 0 finished" in ran.out) == (0, True)
    assert "no process here runs it" in ran.err
    assert f"sweep 'tiny' was left open by {gone}, which has ended; run it again to continue" in ran.out
    (shell.folder / ".resablate" / "tiny").mkdir(parents=True)
    with (shell.folder / ".resablate" / "tiny" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert shell("status", "tiny").err == ""


def test_limits_of_a_run(shell: Shell, no_figures: None) -> None:
    make_database(shell.folder)
    shell.write(TINY)
    ran = shell("sweep", "tiny.yaml", "--inline", "--max-trials", "1")
    assert ran.code == 0
    assert re.fullmatch(r"tiny: 2 trials, 0 complete before, 1 finished, 1 pending; \d+ s\n", ran.out)
    assert "run the same command again to continue" in ran.err
    ran = shell("sweep", "tiny.yaml", "--inline", "--time-budget", "0.01s")
    assert ran.code == 130
    assert "stopped by the end of its time budget" in ran.err
    ran = shell("sweep", "tiny.yaml", "--inline", "--time-budget", "2h")
    assert (ran.code, "1 complete before, 1 finished" in ran.out) == (0, True)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1.5h", 5400), (" 10s ", 10), ("0.5s", 0.5)]
)
def test_times(text: str, seconds: float) -> None:
    assert parse_duration(text, place="--time-budget") == seconds


def test_exit_code_130_where_it_was_interrupted(
    shell: Shell, no_figures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_database(shell.folder)
    shell.write(TINY)

    def interrupt(self: Training) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Training, "run_epoch", interrupt)
    ran = shell("sweep", "tiny.yaml", "--inline")
    assert ran.code == 130
    assert "run the same command again to continue" in ran.err
    assert "not filed" not in ran.err


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("resablate sw", ["sweep", "sweeps"]), ("resablate sweep tiny.yaml --max", ["--max-trials"])],
)
def test_a_shell_completes_verbs_and_options(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, typed: str, completed: list[str]
) -> None:
    asked = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    for name, value in {"_RESABLATE_COMPLETE": "complete_bash", **asked}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("__main__.__package__", None)  # a shell runs the command, and not a module of python
    ran = shell()
    assert (ran.code, ran.out.split()) == (0, completed)


def test_help_and_no_words(shell: Shell) -> None:
    ran = shell("--help")
    assert ran.code == 0
    for verb in ("list", "check", "trial", "sweep", "status", "report", "ui"):
        assert verb in ran.out
    assert shell("--no-such-flag").code == 2
    assert shell("--version").out == f"resablate {version('resablate')}\n"


# --- real processes


def test_ui_serves_the_records_until_it_is_ended(shell: Shell) -> None:
    make_database(shell.folder)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "resablate", "ui", "--port", str(port)]
    with (shell.folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=shell.folder, stdout=log, stderr=log, start_new_session=True)
        try:
            link = printed_link(shell.folder / "log", process)
            assert link.startswith(f"http://127.0.0.1:{port}/?token=")
            page, told = answer(link, process), command_line_of(process.pid)
            assert "<title>MLflow</title>" in page
            assert link.partition("token=")[2] not in told
            for without in (f"http://127.0.0.1:{port}/", f"{link}x", f"http://127.0.0.1:{port}/ajax-api/2.0/mlflow/x"):
                with pytest.raises(urllib.error.HTTPError, match="403"):
                    urllib.request.urlopen(without, timeout=5)
            assert listening(family(process.pid)) == {f"127.0.0.1:{port}"}
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) in (0, -signal.SIGTERM)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    assert "Traceback" not in (shell.folder / "log").read_text()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)


def test_ui_on_a_port_that_is_taken(shell: Shell) -> None:
    make_database(shell.folder)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        says_what_is_wrong(shell("ui", "--port", str(port)), rf"port {port} cannot be used \(Address already in use\)")


@pytest.mark.slow
def test_ui_tells_a_program_where_to_look(shell: Shell) -> None:
    make_database(shell.folder)
    command = [sys.executable, "-m", "resablate", "ui", "--json"]
    process = subprocess.Popen(command, cwd=shell.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        lines = [process.stdout.readline()]
        while lines[-1] and lines[-1].rstrip() != "}":
            lines.append(process.stdout.readline())
        found = PagesRecord.model_validate_json("".join(lines))
        assert found.served and re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=\S+", found.address)
        assert found.pages == {}, "no sweep has been run"
    finally:
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=60)
    assert rest == ""


def printed_link(log: Path, process: subprocess.Popen[bytes]) -> str:
    """What a person would open."""
    deadline = time.monotonic() + 60
    while not (found := re.search(r"MLflow UI: (\S+)", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found[1]


def answer(url: str, process: subprocess.Popen[bytes]) -> str:
    """The page at `url`, as a browser that keeps cookies gets it, once its server is up."""
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            with browser.open(url, timeout=5) as page:
                return page.read().decode()
        except OSError:
            time.sleep(0.3)
    raise AssertionError("the server does not answer")


def test_a_message_reaches_a_pipe_whole_and_without_colors(shell: Shell) -> None:
    """Through the real executable: nothing is wrapped, colored, or traced."""
    shell.write(changed(axes={"shortcut": ["idenity"]}))
    command = [sys.executable, "-m", "resablate", "sweep", "tiny.yaml"]
    done = subprocess.run(command, cwd=shell.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[0] == "tiny.yaml: 1 problem"
    assert len(done.stderr.splitlines()) == 2
    assert "\x1b" not in done.stderr
