"""The soak's judgment, of made-up rows, and where its pages go; it is run by `make soak`."""

import argparse
import os
import subprocess
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from resablate.errors import ResablateError
from tests.benchmarks import soak
from tests.benchmarks.soak_rows import COLUMNS, FLAT, check, flatness, judge_page, rows_of

ROOT = Path(__file__).parents[2]
ASKED = argparse.Namespace(minutes=60, trials=2000, size=50, every=20, seed=0)
INLINE = {"peak_mib": 950, "peak_files": 8, "server_mib": 500, "server_files": 17, "temporary": 0}
SPOKEN = dict(zip(FLAT, [r"peak \(MiB\)", "open files", "the server's open files", "temporary folders"], strict=True))
RAY = {**INLINE, "peak_mib": 3800, "peak_files": 380}


def rows(count: int = 24, **more: Sequence[Any]) -> list[dict[str, Any]]:
    """What a soak of so many sweeps finds where nothing goes wrong.

    Args:
        count: of the sweeps, every fourth on Ray.
        more: field -> what is added to it, of the first sweeps to the last.
    """
    made = [
        {
            "sweep": number,
            "where": "Ray" if number % 4 == 3 else "inline",
            **dict.fromkeys(("submissions", "lost", "twice", "wrong", "left"), 0),
            **(RAY if number % 4 == 3 else INLINE),
        }
        for number in range(count)
    ]
    for name, added in more.items():
        for row, each in zip(made, added, strict=True):
            row[name] += each
    return made


def page_of(made: list[dict[str, Any]]) -> str:
    return soak.render(made, {"disk full": 3}, ASKED, 61.0)


@pytest.mark.parametrize("count", [1, 4, 5, 24])
def test_a_soak_in_which_nothing_grows_is_sound(count: int) -> None:
    check(rows(count))
    assert "Memory and files: flat." in page_of(rows(count))


def test_what_differs_between_kinds_and_from_look_to_look_does_not_count() -> None:
    up_and_down = [40 * (-1) ** number for number in range(24)]
    check(rows(peak_mib=up_and_down, peak_files=[0, 3] * 12, server_mib=range(24)))
    check([*rows(12)[:3], *rows(12)[3::4]])  # the first are inline, the last on Ray


@pytest.mark.parametrize("name", FLAT)
@pytest.mark.parametrize("kind", ["inline", "Ray"])
def test_what_grows_with_each_sweep_of_a_kind_is_told(name: str, kind: str) -> None:
    made = rows(48)
    of_kind = [row for row in made if row["where"] == kind]
    for number, row in enumerate(of_kind):
        row[name] = round(row[name] * (1 + 0.03 * number)) + (number if name != "peak_mib" else 0)
    with pytest.raises(ResablateError, match=rf"^{SPOKEN[name]} of sweeps {kind} grew from \d+(\.5)? to \d+(\.5)?$"):
        check(made)
    assert "Memory and files: **not flat** (" in flatness(made)


def test_a_fifth_is_allowed_and_no_more() -> None:
    check(rows(peak_mib=[0] * 12 + [190] * 12))
    with pytest.raises(ResablateError, match=r"inline grew from 950 to 1141$"):
        check(rows(peak_mib=[0] * 12 + [191] * 12))
    check(rows(temporary=[0] * 12 + [4] * 12))
    with pytest.raises(ResablateError, match="inline grew from 0 to 5; temporary folders of sweeps Ray grew"):
        check(rows(temporary=[0] * 12 + [5] * 12))


@pytest.mark.parametrize("name", ["lost", "twice", "wrong", "left"])
def test_what_was_lost_done_twice_wrong_or_left_over_is_told(name: str) -> None:
    with pytest.raises(ResablateError, match=f"^sweep 7: {COLUMNS[name]} 2$"):
        check(rows(**{name: [0] * 7 + [2] + [0] * 16}))


def test_a_page_that_is_there_is_judged_by_its_table(tmp_path: Path) -> None:
    page = tmp_path / "soak.md"
    made = rows(peak_mib=[0] * 12 + [400] * 12)
    assert rows_of(page_of(made)) == made
    old = "\n".join(line for line in page_of(made).splitlines() if not line.startswith("Memory and files")) + "\n"
    page.write_text(old)  # of a script that did not judge it
    for _ in range(2):
        with pytest.raises(ResablateError, match=r"^peak \(MiB\) of sweeps inline grew from 950 to 1350$"):
            soak.main(["--judge", str(page)])
        assert page.read_text().splitlines()[:-1] == page_of(made).splitlines()[:-1], "the last tells the time"
    page.write_text(page_of(rows()))
    soak.main(["--judge", str(page)])
    page.write_text("| sweep | submissions |\n|---|---|\n| 0 | 1 |\n\nTaken at home.\n")
    with pytest.raises(ResablateError, match="no table of a soak"):
        judge_page(page)


def test_ten_minutes_do_not_overwrite_the_hour() -> None:
    # The tests may be run by a make themselves, which would have its say here.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "--no-print-directory", "-n", "soak", "VENV=/nowhere"]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    told = said.stdout.split()
    page = told[told.index("--page") + 1]
    assert page != soak.PAGE
    assert _ignored(page)
    assert not _ignored(soak.PAGE)


def _ignored(page: str) -> bool:
    """Whether git leaves it out, added or not."""
    command = ["git", "check-ignore", "--quiet", "--no-index", f"reports/benchmarks/{page}"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_the_page_is_written_before_anything_is_complained_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter(rows(wrong=[1] + [0] * 23))
    monkeypatch.setattr(soak, "with_server", lambda place: nullcontext(SimpleNamespace(uri="http://127.0.0.1:1")))
    monkeypatch.setattr(soak.Soak, "sweep", lambda self, number: self.rows.append(next(made)))
    with pytest.raises(ResablateError, match="sweep 0: wrong 1"):
        soak.main(["--minutes", "0", "--trials", "100", "--page", "other.md"], folder=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["other.md"]
    assert [row["sweep"] for row in rows_of((tmp_path / "other.md").read_text())] == [0, 1, 2, 3, 4]
