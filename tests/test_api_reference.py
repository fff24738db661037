"""`make docs` describes every public name."""

import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

import resablate


@pytest.mark.slow
def test_every_public_name_has_its_place_on_the_first_page(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.api_reference", str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "does not resolve" not in done.stderr
    page = BeautifulSoup((tmp_path / "resablate.html").read_text(encoding="utf-8"), "html.parser")
    for name in resablate.__all__:
        place = page.find(id=name)
        assert place is not None and len(place.get_text()) > len(name), name
    assert "resablate.html" in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert (tmp_path / "resablate" / "analyses" / "lesion.html").is_file()
    assert not list(tmp_path.rglob("local_cluster*"))
