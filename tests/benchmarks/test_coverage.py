"""The committed page of coverage: what it is made of, and what it must show."""

import json

import pytest

from resablate.analyses import ANALYSES
from tests.adapters.families import FAMILIES
from tests.benchmarks.coverage import ASKED, FIGURES, FOLDER, PAGE, measure, render

KEPT = json.loads((FOLDER / FIGURES).read_text(encoding="utf-8"))


def test_every_analysis_is_asked() -> None:
    assert list(ASKED) and set(ASKED) == set(ANALYSES)


def test_a_hundred_networks_of_ten_families_are_equal_bit_for_bit() -> None:
    equal = {name for name, row in KEPT.items() if row.get("equal")}
    assert len(equal) >= 100
    assert sum(bool(equal & set(names)) for names in FAMILIES.values()) >= 10
    assert not [name for name, row in KEPT.items() if row.get("equal") is False]


def test_the_page_is_what_the_script_writes() -> None:
    page = (FOLDER / PAGE).read_text(encoding="utf-8")
    assert page.splitlines()[:-1] == render(KEPT).splitlines()[:-1], "but for the machine"


@pytest.mark.parametrize("name", ["akamaster:resnet20", "torchvision:vgg11"])
def test_a_row_is_what_is_measured_now(name: str) -> None:
    now, kept = measure(name, analyses=[]), KEPT[name]
    assert {key: now.get(key) for key in ("blocks", "equal", "refused")} == {
        key: kept.get(key) for key in ("blocks", "equal", "refused")
    }
