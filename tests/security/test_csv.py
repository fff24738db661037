"""Cells of CSV tables that a spreadsheet would run."""

import ast
import csv
from pathlib import Path

import pytest

from resablate.component import Component
from resablate.csv_files import write_csv
from resablate.dissection import Dissection
from resablate.measurement import AnalysisResult, FailedMeasurement, Measurement
from resablate.pretrained_files import PretrainedNetwork, write_dissection
from resablate.question import Question
from resablate.report import write_report
from resablate.result import TrialResult
from resablate.sweep import SweepSpec
from resablate.trial import run_trial
from tests.scheduling.tiny import tiny_plan

PACKAGE = Path(__file__).parents[2] / "resablate"
FORMULAS = [
    '=HYPERLINK("http://127.0.0.1/?"&A1,"x")',
    "+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\uff1d1+1",
    "-",
    "-1e5x",
]


def cells(file: Path) -> list[str]:
    with file.open(encoding="utf-8", newline="") as text:
        return [cell for row in csv.reader(text) for cell in row]


def is_run(cell: str) -> bool:
    """Whether a spreadsheet takes it for a formula; a number is none, with a sign or without."""
    try:
        float(cell)
    except ValueError:
        return cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
    return False


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_a_text_with_an_apostrophe(text: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", ["a", text], [[text, -6], [None, 0.1]])
    kept = text.replace("\r", "\n")
    assert cells(tmp_path / "x.csv") == ["a", f"'{kept}", f"'{kept}", "-6", "", "0.1"]
    assert is_run(text), "the test can fail"


def test_a_text_does_not_end_its_row(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", ["a"], [["x\r=1+1"], ["x\n=1+1"], ['x","=1+1']])
    assert cells(tmp_path / "x.csv") == ["a", "x\n=1+1", "x\n=1+1", 'x","=1+1']


def test_numbers_and_texts_are_as_they_were(tmp_path: Path) -> None:
    plain = ["-6", "+0.27", "-1e-05", "1 - 2", "a=b", "x@y", "'", "null", "-.5"]
    write_csv(tmp_path / "x.csv", ["n", "m"], [[text, -1.5] for text in plain])
    assert cells(tmp_path / "x.csv")[2:] == [cell for text in plain for cell in (text, "-1.5")]
    write_csv(tmp_path / "y.csv", ["n"], [[float("-inf")], [float("nan")], [-3], [1e300]])
    assert cells(tmp_path / "y.csv")[1:] == ["-inf", "nan", "-3", "1e+300"]


@pytest.fixture(scope="module")
def result() -> TrialResult:
    plan = tiny_plan({"shortcut": ["identity"]}, analyses={"path_count": {}, "lesion": {"examples": 20}})
    [spec] = plan.trials
    return run_trial(spec, plan.questions(spec))


def _named(text: str) -> AnalysisResult:
    return AnalysisResult(summary={text: 1.0}, table={text: [1.0, 2.0]}, units={text: text}, axes={})


@pytest.mark.parametrize("text", FORMULAS[:6])
def test_no_table_of_a_report_holds_a_formula(text: str, tmp_path: Path, result: TrialResult) -> None:
    """Everything that a person, another package or a store can put there begins like one."""
    argued = Component("path_count", {"argument": text})
    hostile = result.model_copy(
        update={
            "spec": result.spec.replace(shortcut=Component("identity", {"argument": text})),
            "reason": text,
            "measurements": (
                *result.measurements,
                Measurement(question=Question(Component("other")), result=_named(text)),
                Measurement(question=Question(argued), result=result.analyses["path_count"]),
                Measurement(question=Question(argued, 1), result=result.analyses["path_count"]),
            ),
            "failed_measurements": (FailedMeasurement(question=Question(argued, 2), reason=text),),
        }
    )
    failed = hostile.model_copy(update={"status": "failed", "spec": hostile.spec.replace(seed=1)})
    sweep = SweepSpec.model_validate({"name": "tiny", "question": text, "axes": {"seed": (0, 1)}})
    page = write_report([hostile, failed], sweep=sweep, command=text, folder=tmp_path / "tiny")
    tables = sorted((page.parent / "tables").glob("*.csv"))
    assert len(tables) > 6
    found = {table.name: cells(table) for table in tables}
    kept = text.replace("\r", "\n")
    assert sum(kept in cell for table in found.values() for cell in table) > 5
    assert [(name, cell) for name, table in found.items() for cell in table if is_run(cell)] == []


def test_no_table_of_a_dissection_holds_a_formula(tmp_path: Path) -> None:
    done = [Measurement(question=Question(Component("other")), result=_named("=1+1"))]
    network = PretrainedNetwork("=1", "+2.pth", "0" * 64, "@3", "0" * 16, 0)
    for _ in range(2):  # and what is read again and written stays as it is
        place = write_dissection(Dissection(done=done), of=network, folder=tmp_path)
        assert cells(place / "other.csv") == ["'=1+1", "1.0", "2.0"]
        _, *rows = csv.reader((tmp_path / "summary.csv").read_text().splitlines())
        assert [[*row[:2], row[3], *row[7:]] for row in rows] == [
            ["'=1", "'+2.pth", "'@3", "other", "'=1+1", "1.0", "'=1+1"]
        ]


def test_one_function_writes_every_table() -> None:
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if "csv" in names or (isinstance(node, ast.Attribute) and node.attr == "to_csv"):
                found.add(str(path.relative_to(PACKAGE)))
    assert found == {"csv_files.py"}
