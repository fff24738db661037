"""`resablate submit` and a real cluster: followed, left, continued, stopped, failed, refused."""

import re
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from resablate.commands.json_keeping import JobRecord
from resablate.tracking import open_tracker
from tests.clusters import Cluster, checkout, ray_head
from tests.faults.sweeps import SLOW
from tests.scheduling.tiny import tiny_sweep

pytestmark = [pytest.mark.ray, pytest.mark.timeout(400)]

FILE = "sweeps/tiny.yaml"
SLOW_SWEEP = tiny_sweep({"seed": [0, 1]}, **{**SLOW, "epochs": 60})
END = "Training.run_epoch = lambda self: 1 / 0\n"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with ray_head() as started:
        yield started


def records(cluster: Cluster) -> str:
    return f"sqlite:///{cluster.folder / 'records' / 'mlflow.db'}"


def wait_for_text(process: subprocess.Popen[str], pattern: str) -> str:
    """What the process writes until a line fits."""
    assert process.stdout
    said = ""
    for line in process.stdout:
        said += line
        if re.search(pattern, line):
            return said
    raise AssertionError(f"it ended: {said}{process.stderr and process.stderr.read()}")


@pytest.mark.slow
def test_a_job_is_followed_left_attached_to_stopped_and_continued(cluster: Cluster, tmp_path: Path) -> None:
    folder = checkout(tmp_path, SLOW_SWEEP)

    first = cluster.start_resablate("submit", FILE, folder=folder)
    wait_for_text(first, r"^Ray: 1 node")
    first.send_signal(signal.SIGINT)
    _, told = first.communicate(timeout=30)
    assert first.returncode == 130
    [job] = re.findall(r"as (resablate-tiny-\w+)", told)
    assert re.search(rf"{job} goes on.*ray job logs {job} --follow.*ray job stop {job}", told, re.DOTALL)

    second = cluster.start_resablate("submit", FILE, folder=folder)
    said = wait_for_text(second, r"^Ray: 1 node")
    assert said.count("Running entrypoint for job") == 1, "the log comes from its beginning, once"
    while not list(cluster.folder.glob("records/.resablate/tiny/trials/*/checkpoint-*")):
        assert second.poll() is None
        time.sleep(0.1)
    # As `ray job stop` does it, without its wait for the end.
    stopped = subprocess.run(
        ["ray", "job", "stop", job, "--no-wait", "--address", cluster.address],
        env=cluster.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert stopped.returncode == 0, stopped.stderr
    rest, told = second.communicate(timeout=120)
    assert second.returncode == 143, (rest, told)
    assert f"{job} is running already\n" in told
    assert f"{job} stopped" in told

    # The end of the sweep is brought nearer; what is submitted is another sweep, and its job has another name.
    (folder / FILE).write_text((folder / FILE).read_text().replace("epochs: 60", "epochs: 3"))
    third = cluster.resablate("submit", FILE, folder=folder)
    assert third.returncode == 0, third.stderr
    assert "tiny: 2 trials, 0 complete before, 2 finished" in third.stdout
    assert job not in third.stderr

    fourth = cluster.resablate("submit", FILE, folder=folder)
    assert fourth.returncode == 0, fourth.stderr
    assert re.search(r"as resablate-tiny-\w+-2$", fourth.stderr, re.MULTILINE)
    assert "2 of 2 trials are complete already" in fourth.stdout
    assert len(open_tracker(records(cluster)).complete_keys()) == 2


@pytest.mark.slow
def test_the_exit_code_is_that_of_the_job(cluster: Cluster, tmp_path: Path) -> None:
    sweep = tiny_sweep({"seed": [7]}, name="failing")
    folder = checkout(tmp_path, sweep)
    loop = folder / "resablate" / "training" / "loop.py"
    loop.write_text(loop.read_text() + "\n\n" + END)
    failed = cluster.resablate("submit", "sweeps/failing.yaml", folder=folder)
    assert failed.returncode == 1, failed.stderr
    assert "ZeroDivisionError" in failed.stdout
    assert "failed with exit code 1" in failed.stderr
    # Bad input that only the cluster can see.
    nowhere = cluster.resablate("submit", "sweeps/failing.yaml", "--", "--retry", "everything", folder=folder)
    assert nowhere.returncode == 2
    assert "--retry: takes the word failed, got 'everything'" in nowhere.stdout


@pytest.mark.slow
def test_a_program_follows_a_job_to_its_end(cluster: Cluster, tmp_path: Path) -> None:
    folder = checkout(tmp_path, tiny_sweep({"seed": [9]}, name="told"))
    words = ("submit", "sweeps/told.yaml", "--json")
    done = cluster.resablate(*words, folder=folder)
    record = JobRecord.model_validate_json(done.stdout)
    assert (record.sweep, record.attached, record.status, record.exit_code) == ("told", False, "SUCCEEDED", 0)
    assert done.returncode == 0
    assert "told: 1 trials, 0 complete before, 1 finished" in done.stderr, "its log"
    failed = cluster.resablate(*words, "--", "--retry", "everything", folder=folder)
    told = JobRecord.model_validate_json(failed.stdout)
    assert (told.status, told.exit_code, failed.returncode) == ("FAILED", 2, 2)
    assert told.job != record.job


@pytest.mark.slow
def test_without_the_token_nothing_is_submitted(cluster: Cluster, tmp_path: Path) -> None:
    folder = checkout(tmp_path, tiny_sweep({"seed": [8]}, name="refused"))
    none = cluster.resablate("submit", "sweeps/refused.yaml", folder=folder, RAY_AUTH_TOKEN="")
    assert none.returncode == 2
    assert "the cluster asks for a token. Set RAY_AUTH_TOKEN" in none.stderr
    wrong = cluster.resablate("submit", "sweeps/refused.yaml", folder=folder, RAY_AUTH_TOKEN=secrets.token_hex(32))
    assert wrong.returncode == 2
    assert "does not take this token: it is wrong or has expired" in wrong.stderr
    for done in (none, wrong):
        assert done.stdout == ""
        assert len(done.stderr.strip().splitlines()) == 1
    file = tmp_path / "token"
    file.write_text(f"{cluster.environment['RAY_AUTH_TOKEN']}\n")
    sent = cluster.resablate(
        *("submit", "sweeps/refused.yaml", "--no-follow"),
        folder=folder,
        RAY_AUTH_TOKEN="",
        RAY_AUTH_TOKEN_PATH=str(file),
    )
    assert sent.returncode == 0, sent.stderr
    assert re.fullmatch(r"resablate-refused-\w+\n", sent.stdout)
