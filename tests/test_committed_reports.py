"""Reports that are kept are those of today's code."""

import re
from pathlib import Path

import pytest

from tests.committed_reports import NAMES, ROOT, UNFINISHED, with_tables, write_again


def test_every_kept_report_is_known() -> None:
    """What a user's own sweeps leave beside them, as `make demo` does, is ignored by git and no kept report."""
    named = re.findall(r"^!reports/(\w+)/$", (ROOT / ".gitignore").read_text(), re.MULTILINE)
    kept = {name for name in named if (ROOT / "reports" / name / "results.jsonl").is_file()}
    assert kept == {*NAMES, *UNFINISHED}


def test_the_tables_of_all_studies_are_theirs() -> None:
    page = (ROOT / "reports" / "README.md").read_text(encoding="utf-8")
    assert with_tables(page) == page


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_kept_report_is_what_its_results_give(name: str, tmp_path: Path) -> None:
    """Byte for byte but for the date and the pictures, which another version of matplotlib draws in other bytes."""
    kept, again = ROOT / "reports" / name, write_again(name, tmp_path).parent
    assert sorted(p.name for p in again.rglob("*")) == sorted(p.name for p in kept.rglob("*"))
    for path in (*again.glob("tables/*"), again / "results.jsonl"):
        assert path.read_bytes() == (kept / path.relative_to(again)).read_bytes(), path.name
    for page in ("index.md", "index.html"):
        old, new = (_without((folder / page).read_text(encoding="utf-8")) for folder in (kept, again))
        assert new == old, page


def _without(page: str) -> str:
    page = re.sub(r"data:image/[^\"]*", "", page)
    return re.sub(r"Reported on \d{4}-\d\d-\d\d", "", page)
