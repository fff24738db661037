"""The picture in the README: there, and of what its own lines draw."""

from pathlib import Path

import pytest
from PIL import Image

from tests.benchmarks.library_picture import NETWORKS, PICTURE, ROOT, lines_for, main


def test_the_committed_picture_is_in_the_readme() -> None:
    assert f"({PICTURE.relative_to(ROOT)})" in (ROOT / "README.md").read_text(encoding="utf-8")
    with Image.open(PICTURE) as picture:
        assert picture.width > 1.5 * picture.height, "two beside each other"


def test_the_lines_are_the_readme_s() -> None:
    for name in NETWORKS:
        assert name in lines_for(name)
        assert "study = lesion(network, examples)" in lines_for(name)


@pytest.mark.slow
def test_the_script_draws_both(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    main(tmp_path / "lesions.png")
    with Image.open(tmp_path / "lesions.png") as picture, Image.open(PICTURE) as kept:
        assert picture.size == kept.size
