"""`resablate submit`: what it says to bad input and what it sends, against servers that answer as they are told."""

import json
import os
import re
import subprocess
import sys
import time
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from ray._private.authentication_test_utils import reset_auth_token_state

from resablate.commands import cli
from resablate.commands.json_keeping import JobRecord
from resablate.errors import SubmissionError
from resablate.submission import following, limits, packed
from resablate.submission import job as job_module
from resablate.submission import package as package_module
from resablate.submission.environment import job_environment
from resablate.sweep import load_sweep
from tests.scheduling.tiny import BASE
from tests.submission.dashboards import VERSION, dashboard, know_no_cluster
from tests.tracking.servers import MlflowServer

FILE = "sweeps/tiny.yaml"
SWEEP: dict[str, Any] = {"name": "tiny", "base": dict(BASE), "axes": {"seed": [0, 1]}}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with one sweep, no token, and no variable that names a cluster."""
    place = tmp_path / "work"
    (place / "sweeps").mkdir(parents=True)
    (place / "sweeps" / "tiny.yaml").write_text(yaml.safe_dump(SWEEP))
    monkeypatch.chdir(place)
    know_no_cluster(monkeypatch, home=tmp_path)
    return place


def submit(*words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["resablate", "submit", *words])
    capsys.readouterr()
    code: object = 0
    try:
        cli.main()
    except SystemExit as end:
        code = end.code or 0
    shown = capsys.readouterr()
    assert isinstance(code, int)
    assert "Traceback" not in shown.err
    return code, shown.out + shown.err


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> Any:
    """A submit that must end with exit code 2 and one message that fits the pattern, and leave no trace."""

    def check(*words: str, pattern: str) -> str:
        before = sorted(folder.parent.rglob("*"))
        code, said = submit(*words, capsys=capsys, monkeypatch=monkeypatch)
        assert code == 2, said
        assert re.search(pattern, said, re.DOTALL), said
        assert sorted(folder.parent.rglob("*")) == before
        return said

    return check


# --- bad input


@pytest.mark.parametrize(
    ("address", "pattern"),
    [
        ("http://127.0.0.1:1", r"no Ray dashboard answers \(.*refused\)\. --address.*ssh -L"),
        ("http://no-such-host.invalid:8265", r"no Ray dashboard answers"),
        ("127.0.0.1:8265", r"no address of a Ray cluster, http://HOST:PORT"),
        ("ray://127.0.0.1:10001", r"no address of a Ray cluster"),
        ("auto", r"no address of a Ray cluster"),
        ("http://", r"no address of a Ray cluster"),
        ("http://127.0.0.1:port", r"no address of a Ray cluster"),
        ("http://127.0.0.1:99999", r"no address of a Ray cluster"),
        ("http://[::1", r"no address of a Ray cluster"),
        (
            "http://me:s3cret-word@127.0.0.1:8265",
            r"http://\*\*\*@127\.0\.0\.1:8265: .*holds no password.*RAY_AUTH",
        ),
        ("", r"--address: which cluster\?"),
    ],
)
def test_a_wrong_address_is_one_message(refused: Any, address: str, pattern: str) -> None:
    said = refused("sweeps/tiny.yaml", "--address", address, pattern=pattern)
    assert len(said.strip().splitlines()) == 1
    assert "s3cret-word" not in said


@pytest.mark.parametrize(
    ("token", "answer", "pattern"),
    [
        (
            "",
            (401, "Unauthorized: Missing authentication token"),
            r"asks for a token\. Set RAY_AUTH_TOKEN.*get-auth-token",
        ),
        (
            "old",
            (403, "Forbidden: Invalid authentication token"),
            r"does not take this token: it is wrong or has expired",
        ),
        ("", (200, "<html>hello</html>"), r"what answers is no Ray dashboard \(HTTP 200\)"),
        ("", (200, "[]"), r"what answers is no Ray dashboard"),
        ("", (404, "not found"), r"what answers is no Ray dashboard \(HTTP 404\)"),
        ("", (500, "oops"), r"what answers is no Ray dashboard \(HTTP 500\)"),
        (
            "",
            (200, json.dumps(VERSION | {"ray_version": "2.9.3"})),
            rf"runs Ray 2\.9\.3, but this environment has {re.escape(ray.__version__)}.*ray==2\.9\.3",
        ),
    ],
)
def test_a_server_that_is_not_the_right_one_is_one_message(
    refused: Any, monkeypatch: pytest.MonkeyPatch, token: str, answer: tuple[int, str], pattern: str
) -> None:
    if token:
        monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    with dashboard({("GET", "/api/version"): answer}) as server:
        said = refused("sweeps/tiny.yaml", "--address", server.address, pattern=pattern)
    assert len(said.strip().splitlines()) == 1
    assert [method for method, _, _ in server.asked] == ["GET"], "nothing was sent"


@pytest.mark.parametrize("token", ["planted-1\nplanted-2", "planted-é€", "planted word"])
@pytest.mark.parametrize("in_file", [False, True])
def test_what_is_no_token_is_refused_and_not_shown(
    refused: Any, monkeypatch: pytest.MonkeyPatch, folder: Path, token: str, in_file: bool
) -> None:
    """As where somebody names a file of several secrets."""
    if in_file:
        (folder / ".env").write_text(token)
        monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", ".env")
    else:
        monkeypatch.setenv("RAY_AUTH_TOKEN", token)
    said = refused("sweeps/tiny.yaml", "--address", "http://127.0.0.1:1", pattern="holds no token, which is one word")
    assert "planted" not in said


def test_words_that_the_job_would_not_understand_are_refused_here(refused: Any) -> None:
    address = ("--address", "http://127.0.0.1:1")
    refused("sweeps/tiny.yaml", *address, "--", "--nonsense", pattern="--nonsense: no such option")
    refused("sweeps/tiny.yaml", *address, "--", "--max-trials", "0", pattern="--max-trials")


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "x.py").write_text("x")
    (folder / "resablate").mkdir()
    (folder / "resablate" / "notes").symlink_to(tmp_path / "private")
    with (
        pytest.raises(SubmissionError, match=r"resablate/notes.*: a link leads out of .*work, to .*private"),
        packed(folder, names=[FILE]),
    ):
        pass
    (folder / ".rayignore").write_text("notes\n")
    with packed(folder, names=[FILE]) as package:
        assert package.files == (FILE,)


def test_an_mlflow_server_is_no_cluster(refused: Any, tmp_path: Path) -> None:
    with MlflowServer(tmp_path / "server", password="a long-Secret7") as server:
        refused("sweeps/tiny.yaml", "--address", server.uri, pattern=r"what answers is no Ray dashboard \(HTTP 401\)")


@pytest.mark.parametrize(
    ("status", "body", "pattern"),
    [
        (
            500,
            "Traceback (most recent call last):\n  File ...\nOSError: [Errno 28] No space left on device",
            r"refused it \(HTTP 500: OSError: \[Errno 28\] No space left on device\); free some space on the head",
        ),
        (507, "Insufficient Storage", r"HTTP 507: Insufficient Storage\); free some space on the head node's disk"),
        (413, "Maximum request body size 104857600 exceeded", r"HTTP 413.*\.rayignore"),
        (500, "Traceback\nRuntimeError: kv full", r"HTTP 500: RuntimeError: kv full\); see the head node's disk"),
        (403, "Forbidden", r"a token is asked for, and there is none\. .*RAY_AUTH_TOKEN"),
    ],
)
def test_an_upload_that_is_refused_says_why(refused: Any, status: int, body: str, pattern: str) -> None:
    with dashboard({("PUT", "/api/packages/"): (status, body)}) as server:
        refused("sweeps/tiny.yaml", "--address", server.address, pattern=pattern)
    assert not [path for method, path, _ in server.asked if method == "POST"], "no job was started"


def test_a_token_that_is_refused_meanwhile_is_told(refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "planted-1")
    with dashboard({("PUT", "/api/packages/"): (403, "Forbidden")}) as server:
        said = refused(FILE, "--address", server.address, pattern=r"does not take this token any more.*RAY_AUTH_TOKEN")
    assert "planted" not in said


def test_a_token_that_ray_asks_for_here_is_told(refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the cluster asks for one or not."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    reset_auth_token_state()
    with dashboard({}) as server:
        refused(FILE, "--address", server.address, pattern=r"a token is asked for, and there is none")
    assert {method for method, _, _ in server.asked} == {"GET"}, "nothing was sent"


def test_a_cluster_without_an_agent_is_asked_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_module, "START_SECONDS", 2)
    nobody = (500, "No available agent to submit job, please try again later.")
    with dashboard({("POST", "/api/jobs/"): nobody}) as server:
        code, said = submit("sweeps/tiny.yaml", "--address", server.address, capsys=capsys, monkeypatch=monkeypatch)
    assert code == 2
    assert said.count("nobody to give the job to yet; trying again") == 1
    assert "HTTP 500: No available agent" in said
    assert sum(method == "POST" for method, _, _ in server.asked) >= 2


REQUESTS = [*3 * ["GET /api/version"], "GET /api/jobs/", "GET /api/packages/", "PUT /api/packages/"]
REQUESTS += ["POST /api/jobs/"]


@pytest.mark.parametrize("answered", range(len(REQUESTS)), ids=lambda number: REQUESTS[number])
def test_a_server_that_hangs_at_any_request_is_left(
    refused: Any, monkeypatch: pytest.MonkeyPatch, answered: int
) -> None:
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 1.5)
    with dashboard({}, hangs_after=answered) as server:
        began = time.monotonic()
        said = refused(
            "sweeps/tiny.yaml", "--address", server.address, pattern=r"answer.*\(no answer for 2 s\)|for 2 s"
        )
        assert time.monotonic() - began < 60
    assert [f"{method} {path}" for method, path, _ in server.asked][answered].startswith(REQUESTS[answered])
    assert len(server.asked) == answered + 1
    errors = [line for line in said.splitlines() if server.address in line]
    assert len(errors) == 1, said
    if answered > 3:
        assert "submit again, which attaches to the job if it has" in errors[0]


@pytest.mark.parametrize("answered", [0, 1, 2])
@pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning")  # in Ray's own client
def test_a_server_that_hangs_while_it_is_followed_is_left(
    refused: Any, monkeypatch: pytest.MonkeyPatch, answered: int
) -> None:
    """At the log, at the question for the job while the log is silent, and later."""
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 1.5)
    monkeypatch.setattr(following, "ASK_SECONDS", 1)
    monkeypatch.setattr(following, "LOST_SECONDS", 3)
    pattern = r"has not answered for 3 s .*may go on without being followed\. Submit again"
    with dashboard({("GET", "/api/jobs/"): (200, json.dumps([_job("RUNNING")]))}, hangs_after=4 + answered) as server:
        began = time.monotonic()
        refused("sweeps/tiny.yaml", "--address", server.address, pattern=pattern)
        assert time.monotonic() - began < 60


def test_a_large_package_may_take_as_long_as_a_slow_line_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 0.2)
    with pytest.raises(TimeoutError, match="no answer for 0 s"):
        limits.limited(lambda: time.sleep(0.5))
    assert limits.limited(lambda: time.sleep(0.5) or "sent", upload_bytes=20 * limits.UPLOAD_BYTES_PER_SECOND) == "sent"
    with pytest.raises(ZeroDivisionError):
        limits.limited(lambda: 1 / 0)


def test_a_bad_sweep_is_told_before_anything_else(refused: Any, folder: Path) -> None:
    (folder / "sweeps" / "tiny.yaml").write_text(yaml.safe_dump(SWEEP | {"axes": {"shortcut": ["idenity"]}}))
    refused("sweeps/tiny.yaml", "--address", "http://127.0.0.1:1", pattern=r"'idenity'; did you mean 'identity'")


def test_a_sweep_file_that_does_not_travel_is_refused(refused: Any, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text(yaml.safe_dump(SWEEP))
    with dashboard({}) as server:
        refused(str(outside), "--address", server.address, pattern=r"is not among the files that are sent")
        (folder / ".gitignore").write_text("sweeps/\n")
        refused("sweeps/tiny.yaml", "--address", server.address, pattern=r"is not among the files that are sent")


# --- what is sent


def test_too_large_a_folder_is_refused_before_the_upload_naming_the_largest_files(refused: Any, folder: Path) -> None:
    for name, mib in {"sub/big.bin": 70, "sub/second.bin": 31, "sub/small.bin": 1}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        with (folder / name).open("wb") as file:
            file.truncate(mib * 2**20)
    with dashboard({}) as server:
        words = ("sweeps/tiny.yaml", "--address", server.address, "--include", "sub")
        said = refused(*words, pattern=r"102\.0 MiB would be sent.*100\.0 MiB")
    assert re.search(r"70\.0 MiB  sub/big\.bin\n +31\.0 MiB  sub/second\.bin\n +1\.0 MiB  sub/small\.bin", said)
    assert not [path for method, path, _ in server.asked if method in ("PUT", "POST")]


def test_the_size_that_is_checked_is_that_of_the_request(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "sweeps" / "Größe.yaml").write_text("x" * 1000)
    with packed(folder, names=[FILE]) as package:
        size = package.size_bytes
    end_of_a_zip_file = 22
    monkeypatch.setattr(package_module, "LIMIT_BYTES", size - end_of_a_zip_file - 1)
    with pytest.raises(SubmissionError, match="would be sent"), packed(folder, names=[FILE]):
        pass
    monkeypatch.setattr(package_module, "LIMIT_BYTES", size)
    with packed(folder, names=[FILE]):
        pass


def test_only_what_is_needed_and_what_is_named_travels(folder: Path) -> None:
    kept = ["resablate/x.py", "sub/plugin.py", "sub/data/kept.txt", "pyproject.toml"]
    left = ["plugin.py", "other/x.py", "env/pyvenv.cfg", "mlflow.db", "sub/mlflow.db-wal", "sub/mlruns/0/meta.yaml"]
    left += ["data/images.bin", "reports/x/index.html", "sub/.resablate/x/lock", "sweeps/other.yaml", "README.md"]
    left += ["sub/ignored.txt", "sub/also.txt", "sub/__pycache__/x.pyc", "sub/.pytest_cache/x", "sub/rayed.txt"]
    for name in [*kept, *left]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("content")
    (folder / ".gitignore").write_text("ignored.txt\n")
    (folder / "sub" / ".gitignore").write_text("also.txt\n")
    (folder / ".rayignore").write_text("rayed.txt\n")
    names = [FILE, "sub"]
    with packed(folder, names=names) as package, zipfile.ZipFile(package.file) as file:
        found = sorted(file.namelist())
        assert found == sorted(package.files)
        digest = package.digest
    assert found == sorted([*kept, FILE])
    os.utime(folder / "sub" / "plugin.py", (1, 1))
    with packed(folder, names=names) as package:
        assert package.digest == digest, "times play no part"
    (folder / "sub" / "plugin.py").write_text("other")
    with packed(folder, names=names) as package:
        assert package.digest != digest


def test_a_job_says_what_it_runs_and_holds_no_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    secrets = {"MLFLOW_TRACKING_PASSWORD": "planted-Pw-1", "RAY_AUTH_TOKEN": "planted-token-2"}
    for name, value in {**secrets, "MLFLOW_TRACKING_URI": "http://mlflow:5000"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:1")  # Ray's own client would go there instead
    with dashboard({}) as server:
        words = ("sweeps/tiny.yaml", "--address", server.address, "--no-follow", "--", "--retry", "failed")
        code, said = submit(*words, capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0
    [package] = [content for method, _, content in server.asked if method == "PUT"]
    assert zipfile.ZipFile(BytesIO(package)).namelist() == ["sweeps/tiny.yaml"]
    [sent] = [json.loads(content) for method, _, content in server.asked if method == "POST"]
    assert sent["entrypoint"] == "python -m resablate sweep sweeps/tiny.yaml --retry failed"
    assert re.fullmatch(r"resablate-tiny-[0-9a-f]{10}", sent["submission_id"])
    assert sent["runtime_env"]["env_vars"] == {
        "MLFLOW_TRACKING_URI": "http://mlflow:5000",
        "RESABLATE_CODE_VERSION": sent["runtime_env"]["env_vars"]["RESABLATE_CODE_VERSION"],
    }
    assert sent["metadata"]["resablate_sweep"] == "tiny"
    assert "MLFLOW_TRACKING_PASSWORD is set here and not sent" in said
    assert sent["submission_id"] in said
    assert "ray job stop" in said
    for secret in secrets.values():
        assert secret not in said
        assert not [content for _, _, content in server.asked if secret.encode() in content]


def test_a_variable_that_is_sent_on_purpose_is_told_of() -> None:
    here = {"MLFLOW_TRACKING_PASSWORD": "pw", "RESABLATE_STUDY_STORAGE": "postgresql+psycopg://me:pw@there/optuna"}
    sent, notes = job_environment(here, send=["MLFLOW_TRACKING_PASSWORD", "RESABLATE_STUDY_STORAGE"])
    assert here.items() <= sent.items()
    assert sum("goes as it is, to be read in the job's information" in note for note in notes) == 2
    assert not any("pw" in note for note in notes)
    with pytest.raises(
        SubmissionError, match=r"RESABLATE_STUDY_STORAGE: postgresql\+psycopg://\*\*\*@there.*~/\.pgpass"
    ):
        job_environment(here)
    with pytest.raises(SubmissionError, match="--send NOWHERE: no such variable"):
        job_environment(here, send=["NOWHERE"])
    with pytest.raises(SubmissionError, match=r"MLFLOW_TRACKING_URI: http://\*\*\*@mlflow.*MLFLOW_TRACKING_PASSWORD"):
        job_environment({"MLFLOW_TRACKING_URI": "http://me:pw@mlflow"})


def test_a_password_in_the_command_is_refused(refused: Any) -> None:
    address = ("--address", "http://127.0.0.1:1")
    uri = "http://me:planted@mlflow:5000"
    said = refused("sweeps/tiny.yaml", *address, "--", "--tracking-uri", uri, pattern="leave the password out of it")
    said += refused("sweeps/tiny.yaml", *address, "--tracking-uri", uri, pattern="everybody on this machine can read")
    assert "planted" not in said


# --- a sweep that has a job


def _job(status: str, **more: Any) -> dict[str, Any]:
    content = job_module._digest(load_sweep("sweeps/tiny.yaml"))
    metadata = {"resablate_sweep": "tiny", "resablate_content": content, "resablate_package": "x"}
    ids = {
        "type": "SUBMISSION",
        "submission_id": f"resablate-tiny-{content}",
        "entrypoint": "python -m resablate sweep",
    }
    return {**ids, "status": status, "metadata": metadata, **more}


@pytest.mark.parametrize("ended", ["SUCCEEDED", "FAILED", "STOPPED"])
def test_after_a_job_that_ended_comes_the_next_attempt(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, ended: str
) -> None:
    first = _job(ended)
    second = _job(ended, submission_id=f"{first['submission_id']}-2")
    with dashboard({("GET", "/api/jobs/"): (200, json.dumps([second, first]))}) as server:
        words = ("sweeps/tiny.yaml", "--address", server.address, "--no-follow")
        assert submit(*words, capsys=capsys, monkeypatch=monkeypatch)[0] == 0
    [sent] = [json.loads(content) for method, _, content in server.asked if method == "POST"]
    assert sent["submission_id"] == f"{first['submission_id']}-3"


@pytest.mark.parametrize("status", ["PENDING", "RUNNING"])
def test_a_job_under_way_is_not_submitted_twice(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    with dashboard({("GET", "/api/jobs/"): (200, json.dumps([_job(status)]))}) as server:
        words = ("sweeps/tiny.yaml", "--address", server.address, "--no-follow")
        code, said = submit(*words, capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0
    assert re.search(r"is running already; it runs this folder's files as they were .* and the command python", said)
    assert not [path for method, path, _ in server.asked if method in ("PUT", "POST")]


def test_a_program_is_told_of_the_job(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["resablate", "submit", "sweeps/tiny.yaml", "--no-follow", "--json"])
    for jobs in ([], [_job("RUNNING")]):
        with dashboard({("GET", "/api/jobs/"): (200, json.dumps(jobs))}) as server:
            monkeypatch.setenv("RAY_API_SERVER_ADDRESS", server.address)
            with pytest.raises(SystemExit, match="0"):
                cli.main()
        told = JobRecord.model_validate_json(capsys.readouterr().out)
        assert told.job.startswith("resablate-tiny-")
        assert (told.sweep, told.attached, told.status, told.exit_code) == ("tiny", bool(jobs), "", None)


def test_another_sweep_of_the_same_name_under_way_is_told_of(refused: Any, folder: Path) -> None:
    other = _job("RUNNING")
    (folder / "sweeps" / "tiny.yaml").write_text(yaml.safe_dump(SWEEP | {"axes": {"seed": [0, 1, 2]}}))
    with dashboard({("GET", "/api/jobs/"): (200, json.dumps([other]))}) as server:
        pattern = rf"job {other['submission_id']} runs sweep 'tiny' as another file or other words asked.*ray job stop"
        refused("sweeps/tiny.yaml", "--address", server.address, pattern=pattern)


# --- without torch


def test_a_sweep_is_submitted_without_torch(folder: Path) -> None:
    blocked = "import sys\nfor name in ('torch', 'torchvision', 'mlflow', 'optuna'): sys.modules[name] = None\n"
    code = f"{blocked}sys.argv = ['resablate', *sys.argv[1:]]\nfrom resablate.commands.cli import main\nmain()\n"

    def run(address: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, "submit", "sweeps/tiny.yaml", "--address", address, "--no-follow"]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    with dashboard({}) as server:
        done = run(server.address)
        assert done.returncode == 0, done.stderr
        assert "torch is not installed here" in done.stderr
        assert [path for method, path, _ in server.asked if method == "POST"] == ["/api/jobs/"]
        (folder / "sweeps" / "tiny.yaml").write_text(yaml.safe_dump(SWEEP | {"axes": {"sed": [0]}}))
        done = run(server.address)
        assert done.returncode == 2
        assert "did you mean 'seed'" in done.stderr
