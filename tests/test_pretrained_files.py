"""What several networks answered lies in one folder, and nothing of it is lost."""

import csv
from pathlib import Path

import pytest

from resablate.component import Component
from resablate.dissection import Dissection
from resablate.errors import ResablateError
from resablate.measurement import AnalysisResult, Measurement
from resablate.pretrained_files import PretrainedNetwork, check_answers_folder, write_dissection
from resablate.question import Question

NETWORK = PretrainedNetwork("torchvision:resnet18", "a.pth", "1" * 64, "digits", "2" * 16, 0)


def answered(value: float, name: str = "lesion") -> Dissection:
    result = AnalysisResult(
        summary={"error": value, "loss": -float("inf")}, table={}, units=dict.fromkeys(("error", "loss"), "1")
    )
    return Dissection(done=[Measurement(question=Question(Component(name)), result=result)])


def errors(folder: Path) -> dict[tuple[str, ...], str]:
    with (folder / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["value"] == "-inf" for row in rows if row["number"] == "loss")
    return {(row["weights"], row["analysis"]): row["value"] for row in rows if row["number"] == "error"}


def test_answers_stand_beside_those_of_other_calls(tmp_path: Path) -> None:
    other = NETWORK._replace(weights="b.pth", weights_sha256="3" * 64)
    places = [
        write_dissection(answered(0.1), of=NETWORK, folder=tmp_path),
        write_dissection(answered(0.2), of=other, folder=tmp_path),
        write_dissection(answered(0.3, "reorder"), of=NETWORK, folder=tmp_path),
    ]
    assert places[0] == places[2] != places[1]
    kept = {("a.pth", "lesion"): "0.1", ("b.pth", "lesion"): "0.2", ("a.pth", "reorder"): "0.3"}
    assert errors(tmp_path) == kept
    write_dissection(answered(0.4), of=NETWORK, folder=tmp_path)
    assert errors(tmp_path) == {**kept, ("a.pth", "lesion"): "0.4"}, "the same question to the same network"
    for field, value in (("seed", 1), ("data", "mnist"), ("data_fingerprint", "4"), ("network", "timm:a")):
        write_dissection(answered(0.5), of=NETWORK._replace(**{field: value}), folder=tmp_path)
    assert len((tmp_path / "summary.csv").read_text().splitlines()) == 1 + 2 * (3 + 4)


@pytest.mark.parametrize("content", ["analysis,number,value,unit\n", "mine", "", "network\0,"])
def test_a_table_of_something_else_stays(tmp_path: Path, content: str) -> None:
    (tmp_path / "summary.csv").write_text(content)
    with pytest.raises(ResablateError, match=r"summary\.csv: is no table of answers with network, weights, .*; name"):
        check_answers_folder(tmp_path)
    with pytest.raises(ResablateError, match="is no table of answers"):
        write_dissection(answered(0.1), of=NETWORK, folder=tmp_path)
    assert (tmp_path / "summary.csv").read_text() == content


def test_a_folder_that_cannot_be_made_is_told_before(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/answers"), tmp_path / ("x" * 300)):
        with pytest.raises(ResablateError, match=f"^{place}: no answers can be written there"):
            check_answers_folder(place)
    check_answers_folder(tmp_path / "new" / "below")
    assert not (tmp_path / "new").exists()
