import subprocess
from pathlib import Path

import pytest

import resablate.versions as module
from resablate.versions import CODE_VERSION_VARIABLE, code_version, versions


@pytest.fixture(autouse=True)
def fresh() -> None:
    code_version.cache_clear()
    versions.cache_clear()


def test_versions_name_code_packages_and_machine() -> None:
    found = versions("cpu")
    assert {"git_commit", "python", "torch", "numpy", "host", "device"} <= set(found)
    assert found["device"] == "cpu"
    assert all(isinstance(value, str) and value for value in found.values())


def test_whoever_ships_the_code_says_which_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CODE_VERSION_VARIABLE, "abc-dirty")
    assert code_version() == "abc-dirty"


def make_repository(folder: Path) -> Path:
    def git(*command: str) -> None:
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", "-C", str(folder), *who, *command], check=True, capture_output=True)

    file = folder / "versions.py"
    file.write_text("1\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "x")
    return file


def test_a_checkout_names_its_commit_and_whether_files_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make_repository(tmp_path)
    monkeypatch.setattr(module, "__file__", str(file))
    clean = code_version()
    assert len(clean) == 40
    code_version.cache_clear()
    file.write_text("2\n")
    assert code_version() == f"{clean}-dirty"


def test_a_copy_in_somebody_else_s_repository_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_repository(tmp_path)
    (tmp_path / ".gitignore").write_text(".venv\n")
    (tmp_path / ".venv").mkdir()
    installed = tmp_path / ".venv" / "versions.py"
    installed.write_text("1\n")
    monkeypatch.setattr(module, "__file__", str(installed))
    assert code_version() == "unknown"


def test_outside_a_checkout_it_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "__file__", str(tmp_path / "versions.py"))
    assert code_version() == "unknown"
