"""What a submission uses of Ray that Ray does not document: it is there, and what is said where it is not."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
import ray

from resablate.errors import SubmissionError
from resablate.submission.ray_private import Refusal, may_pass, refusal, travelling_files

PACKAGING = "ray._private.runtime_env.packaging"


def test_the_installed_ray_tells_what_travels(tmp_path: Path) -> None:
    for name in (".gitignore", "kept.py", "sub/kept.txt", "sub/ignored.txt", "left/out.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("ignored.txt\n" if name == ".gitignore" else "x")
    found = {str(path.relative_to(tmp_path)) for path in travelling_files(tmp_path, ["left"]) if path.is_file()}
    assert found == {".gitignore", "kept.py", "sub/kept.txt"}


@pytest.mark.parametrize("there", [None, ModuleType(PACKAGING)], ids=["no module", "no name"])
def test_a_ray_that_does_not_tell_is_named_with_its_own_command(
    there: ModuleType | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, PACKAGING, there)
    with pytest.raises(SubmissionError, match=r"does not tell which files it would send .* ray job submit --working-d"):
        travelling_files(tmp_path, [])


def test_a_ray_that_asks_for_more_is_named_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{PACKAGING}._dir_travel", lambda path: None)
    with pytest.raises(SubmissionError, match="does not tell which files it would send"):
        travelling_files(tmp_path, [])


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("job/job_manager.py", "already exists"),
        ("job/job_head.py", "No available agent"),
        ("dashboard_sdk.py", "Request failed with status code "),
    ],
)
def test_the_texts_stand_in_the_installed_ray(file: str, text: str) -> None:
    assert text in (Path(ray.__file__).parent / "dashboard" / "modules" / file).read_text()


def test_refusals_by_their_text() -> None:
    assert refusal(RuntimeError("Request failed with status code 500: a\nb.")) == Refusal(500, "a\nb.")
    assert refusal(RuntimeError("another text")) is None
    assert may_pass(RuntimeError("Request failed with status code 500: No available agent to submit job"))
    assert may_pass(RuntimeError("Job with submission_id x already exists."))
    assert not may_pass(RuntimeError("Request failed with status code 500: OSError"))
