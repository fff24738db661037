"""`resablate claims`: lists, decides and plans."""

import json
from pathlib import Path

import pytest
import yaml

from resablate.claims import CLAIMS
from resablate.commands.json_keeping import ClaimPlanRecord
from resablate.errors import TrialComplete
from resablate.sweep import load_sweep, parse_sweep
from resablate.tracking import open_tracker
from tests.claims.worlds import TRUE, train
from tests.commands.test_cli import Shell


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Shell(tmp_path, monkeypatch, capsys)


def file_sweep(folder: Path, name: str, claim: str) -> None:
    """A sweep in the store of the folder in which a claim is true."""
    results = train(TRUE[claim], seeds=3, outcomes=False)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"name": name, "axes": {"seed": [0]}}))
    tracker = open_tracker()
    tracker.start_sweep(load_sweep(path), trials=[result.spec for result in results], command="none")
    for result in results:
        try:
            tracker.start_trial(result.spec)
        except TrialComplete:  # the claims share it
            continue
        for epoch in result.history:
            tracker.log_epoch(result.key, epoch)
        tracker.finish_trial(result, weights={}, figures={})
    tracker.end_sweep("finished")


def test_all_claims_are_listed(shell: Shell) -> None:
    ran = shell("claims")
    assert ran.code == 0
    assert all(f"{name} " in ran.out for name in CLAIMS)
    rows = json.loads(shell("claims", "--json").out)
    assert [row["claim"] for row in rows] == list(CLAIMS)
    assert all(row["needs"] for row in rows)


def test_claims_are_decided_over_several_sweeps(shell: Shell) -> None:
    file_sweep(shell.folder, "one", "H11")
    file_sweep(shell.folder, "two", "H15")
    ran = shell("claims", "one", "two")
    assert ran.code == 0
    assert "one level of 5 % for all" in ran.out
    words = ran.out.split()
    assert words.index("H15") > words.index("H11"), "both are decided: in their order"
    assert "H1" not in words, "what is not tested is counted"
    untested = sum(row["verdict"] == "not tested" for row in json.loads(shell("claims", "one", "two", "--json").out))
    assert f"not tested: {untested} published claims (resablate claims lists them" in ran.out
    answers = {row["claim"]: row for row in json.loads(shell("claims", "one", "two", "--json").out)}
    assert answers["H11"]["verdict"] == "supported"
    assert answers["H15"]["verdict"] == "supported"
    assert answers["H11"]["seeds"] == [3, 3]
    assert "any" not in answers["H1"]["what_would_decide"]
    only = {row["claim"]: row for row in json.loads(shell("claims", "one", "--json").out)}
    assert only["H15"]["verdict"] == "not tested"


def test_a_sweep_is_given_once_and_a_claim_to_the_plan(shell: Shell) -> None:
    file_sweep(shell.folder, "one", "H11")
    twice = shell("claims", "one", "one")
    assert (twice.code, "SWEEP: every sweep once, got one again" in twice.err) == (2, True)
    claim = shell("claims", "H1")
    assert claim.code == 2
    assert "no sweep called 'H1'" in claim.err
    assert "for a claim instead of a sweep: --plan H1" in claim.err


def test_a_plan_is_a_sweep_file_with_its_cost(shell: Shell) -> None:
    ran = shell("claims", "--plan", "H1", "H4", "--dataset", "digits", "--depth", "32")
    assert ran.code == 0
    assert ran.out.startswith("# ")
    assert "estimated, not measured" in ran.out.splitlines()[0]
    assert shell("claims", "--plan", "H4", "--dataset", "digits", "--output", "h4.yaml").code == 0
    assert load_sweep(shell.folder / "h4.yaml").name == "claims_H4"
    assert shell("check", "h4.yaml").code == 0


@pytest.mark.parametrize("written", [[], ["--output", "h4.yaml"]])
def test_a_plan_is_read_by_a_program(shell: Shell, written: list[str]) -> None:
    words = ["claims", "--plan", "H4", "--dataset", "digits", "--until-decided"]
    plain = shell(*words).out
    record = ClaimPlanRecord.model_validate_json(shell(*words, *written, "--json").out)
    assert record.content == yaml.safe_load(plain)
    assert parse_sweep(record.content).name == record.sweep == "claims_H4"
    assert f"# {record.count} trials;" in plain and f"at most {record.at_most} trials" in plain
    assert record.at_most > record.count and record.seconds > record.gpu_seconds > 0
    assert "one H200" in plain.splitlines()[0]
    assert [f"# {note}" for note in record.notes] == plain.splitlines()[1 : 1 + len(record.notes)]
    assert record.file == "".join(written[1:])
    assert not written or yaml.safe_load(Path(record.file).read_text()) == record.content


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--plan"], "--plan: needs one claim or more"),
        (["--plan", "H99", "X"], "unknown claim 'H99'"),
        (["--plan", "T1"], "T1: nothing decides it yet"),
        (["--plan", "H1", "--dataset", "cifar"], "unknown dataset 'cifar'"),
        (["--plan", "H1", "--depth", "57"], "57 is not 6n+2"),
        (["--depth", "20"], "--depth: only with --plan"),
        (["nowhere"], "nowhere"),
        (["--plan", "H1", "--output", "there.yaml"], "is there already"),
    ],
)
def test_bad_input_is_one_message_and_exit_2(shell: Shell, words: list[str], message: str) -> None:
    (shell.folder / "there.yaml").write_text("mine")
    ran = shell("claims", *words)
    assert ran.code == 2
    assert message in ran.err.replace("\n", " ")
    assert "Traceback" not in ran.err
    assert (shell.folder / "there.yaml").read_text() == "mine"
