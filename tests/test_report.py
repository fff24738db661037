"""The report as a browser and a spreadsheet read it."""

import csv
import math
import re
from itertools import pairwise
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag

from resablate import report
from resablate.errors import ResablateError
from resablate.figures.analysis_tables import with_standard_errors
from resablate.figures.tables import Kind, Table
from resablate.result import TrialResult
from resablate.sweep import SweepSpec, parse_sweep
from tests.factories import make_lesion, make_path_gradient, make_result

HOSTILE = "RuntimeError: <script>alert(1)</script> | `x` [y](javascript:z) \"'&"
COMMAND = "resablate sweep sweeps/small.yaml && resablate report small"


def small_sweep() -> SweepSpec:
    return parse_sweep(
        {
            "name": "small",
            "base": {"width": 8},
            "axes": {"shortcut": ["identity", "conv1x1", "none"], "depth": [20], "seed": [0, 1, 2]},
        }
    )


def small_results() -> list[TrialResult]:
    lesions = {"lesion": make_lesion([0.2, 0.4], baseline=0.1), "path_gradient": make_path_gradient([1, 0.5, 0.1])}
    results = [make_result(error=e, seed=s, width=8, analyses=lesions) for s, e in enumerate([0.011, 0.013, 0.012])]
    results += [make_result(error=0.389, seed=s, width=8, shortcut="conv1x1", losses=[2, 0.75]) for s in range(3)]
    results += [make_result(shortcut="none", status="diverged", reason=HOSTILE, width=8)]
    results += [make_result(shortcut="none", status="failed", reason="out of memory", width=8, seed=1, losses=[])]
    return [*results, make_result(shortcut="none", width=8, seed=2, analysis_errors={"lesion": HOSTILE}, error=0.5)]


def write(folder: Path, results: list[TrialResult]) -> Path:
    return report.write_report(results, sweep=small_sweep(), command=COMMAND, folder=folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("reports") / "small", small_results()).parent


@pytest.fixture(scope="module")
def page(folder: Path) -> BeautifulSoup:
    return BeautifulSoup((folder / "index.html").read_text(encoding="utf-8"), "html.parser")


def rows_of(section: Tag, *, table: int = 0) -> list[dict[str, str]]:
    found = section.find_all("table")[table]
    heads = [cell.get_text() for cell in found.find_all("th")]
    body = found.find("tbody")
    assert isinstance(body, Tag)
    return [
        dict(zip(heads, [cell.get_text() for cell in row.find_all("td")], strict=True)) for row in body.find_all("tr")
    ]


def section(page: BeautifulSoup, name: str) -> Tag:
    found = page.find(id=name)
    assert isinstance(found, Tag)
    return found


def test_the_folder_holds_pages_tables_figures_and_results(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [
        "figures",
        "index.html",
        "index.md",
        "results.jsonl",
        "tables",
    ]
    assert {p.stem for p in (folder / "tables").iterdir()} == {
        "errors",
        "history",
        "lesion",
        "lesion_summary",
        "path_gradient",
        "path_gradient_summary",
        "trials",
    }
    assert {p.suffix for p in (folder / "figures").iterdir()} == {".svg", ".png"}
    assert not list(folder.parent.glob(".*"))


def test_the_error_table_by_hand(page: BeautifulSoup) -> None:
    identity, conv1x1, none = rows_of(section(page, "errors"))
    assert (identity["shortcut"], identity["depth"], identity["trials"]) == ("identity", "20", "3")
    assert identity["median error"] == "1.20 %"
    assert identity["standard deviation"] == "0.10 %"
    assert identity["difference to identity"] == "-"
    assert identity["published error"] == "6.61 %"
    assert conv1x1["median error"] == "38.9 %"
    assert conv1x1["difference to identity"] == "+37.70"
    assert conv1x1["final train loss"] == "0.75"
    assert (none["trials"], none["diverged"], none["median error"]) == ("2", "1", "fail")
    assert "CIFAR-10, ResNet-110" in section(page, "errors").get_text()


def test_the_analyses_are_summed_up(page: BeautifulSoup) -> None:
    (lesion,) = rows_of(section(page, "analyses"))
    assert (lesion["baseline error"], lesion["mean error"], lesion["mean increase"]) == (
        "10.0 ± 0.2 %",
        "30.0 ± 0.2 %",
        "20.0 ± 0.2 %",
    )
    (gradient,) = rows_of(section(page, "analyses"), table=1)
    assert gradient["median length"] == "1"


def test_a_number_stands_with_its_standard_error() -> None:
    columns: dict[str, Kind] = {
        "shortcut": "text",
        "error": "percent",
        "error_standard_error": "percent",
        "norm": "number",
        "norm_standard_error": "number",
        "worst": "percent",
    }
    rows = [["identity", 0.0375, 0.0096, 2.5, 0.5, 0.5], ["none", 0.9, 0.01, 2.5, math.nan, None]]
    table = with_standard_errors(Table(columns, rows))
    assert list(table.columns) == ["shortcut", "error", "norm", "worst"]
    assert table.shown() == [
        ["identity", "3.75 ± 0.96 %", "2.5 ± 0.5", "50.0 %"],
        ["none", "90.0 ± 1.0 %", "2.5", "-"],
    ]


def test_the_headline_counts_and_names_the_best(page: BeautifulSoup) -> None:
    header = page.find("header")
    assert isinstance(header, Tag)
    text = " ".join(header.get_text(" ").split())
    assert "What does the test error do when shortcut and depth change?" in text
    assert "Trials 9 7 finished, 1 diverged, 1 failed" in text
    assert "Lowest median test error 1.20 % identity, depth 20" in text
    assert re.search(r"Published claims \d of 9 supported", text)


def test_every_claim_has_a_verdict(page: BeautifulSoup) -> None:
    articles = section(page, "claims").find_all("article")
    assert len(articles) == 9
    for article in articles:
        assert article.find(class_="verdict").get_text() in ("supported", "contradicted", "undecided", "not tested")
        assert [term.get_text() for term in article.find_all("dt")] == ["Measured", "Published", "Source", "Rule"]


def test_failures_give_their_reasons(page: BeautifulSoup) -> None:
    trials = rows_of(section(page, "failures"))
    assert [(row["status"], row["reason"]) for row in trials] == [("diverged", HOSTILE), ("failed", "out of memory")]
    (analysis,) = rows_of(section(page, "failures"), table=1)
    assert (analysis["analysis"], analysis["reason"]) == ("lesion", HOSTILE)


def test_the_reproduce_section_has_command_sweep_versions_and_keys(page: BeautifulSoup) -> None:
    text = section(page, "reproduce").get_text()
    assert COMMAND in text
    assert "shortcut: [identity, conv1x1, none]" in text
    assert "2.11.0" in text
    assert "9 trials took 9 min in all" in text
    assert "Seeds: 0, 1, 2" in text
    assert all(result.key in text for result in small_results())


def test_what_others_wrote_is_never_markup(folder: Path, page: BeautifulSoup) -> None:
    assert not page.find_all("script")
    markdown = (folder / "index.md").read_text(encoding="utf-8")
    assert "<script>" not in markdown
    assert r"\| \`x\` \[y\](javascript:z)" in markdown


def test_the_page_asks_nothing_of_the_network(page: BeautifulSoup) -> None:
    for tag in page.find_all(True):
        for attribute in ("src", "href", "data", "action", "srcset"):
            assert str(tag.get(attribute, "#")).startswith(("#", "data:"))
    style = page.find("style")
    assert isinstance(style, Tag)
    assert "url(" not in style.get_text()
    assert "@import" not in style.get_text()


def test_figures_have_texts_and_headings_are_in_order(page: BeautifulSoup) -> None:
    images = page.find_all("img")
    assert len(images) == 5
    assert all(len(str(image["alt"])) > 40 for image in images)
    levels = [int(tag.name[1]) for tag in page.find_all(["h1", "h2", "h3"])]
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    assert page.html and page.html["lang"] == "en"


def test_every_markdown_table_row_has_its_columns(folder: Path) -> None:
    for block in (folder / "index.md").read_text(encoding="utf-8").split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) <= 1, block
    links = re.findall(r"!\[.*?\]\((.*?)\)", (folder / "index.md").read_text(encoding="utf-8"))
    assert len(links) == 5
    assert all((folder / link).is_file() for link in links)


def test_results_and_tables_read_back(folder: Path) -> None:
    lines = (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert {TrialResult.from_json(line).key for line in lines} == {result.key for result in small_results()}
    with (folder / "tables" / "lesion.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    assert [row["error"] for row in rows[:2]] == ["0.2", "0.4"]
    with (folder / "tables" / "trials.csv").open(encoding="utf-8", newline="") as file:
        assert [row["reason"] for row in csv.DictReader(file) if row["status"] == "diverged"] == [HOSTILE]


def test_writing_again_replaces_the_report(tmp_path: Path) -> None:
    write(tmp_path / "small", small_results())
    page = write(tmp_path / "small", small_results()[3:6])
    assert len((tmp_path / "small" / "results.jsonl").read_text(encoding="utf-8").splitlines()) == 3
    assert not (page.parent / "tables" / "lesion.csv").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_a_crash_leaves_the_old_report_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = write(tmp_path / "small", [make_result()])
    before = page.read_bytes()

    def crash(*_: object, **__: object) -> str:
        raise OSError("disk full")

    monkeypatch.setattr(report, "_render", crash)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path / "small", small_results())
    assert page.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_a_folder_of_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ResablateError, match="holds files that are no report"):
        write(tmp_path, [make_result()])
    with pytest.raises(ResablateError, match="a report is a folder, but this is a file"):
        write(tmp_path / "notes.txt", [make_result()])
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_nothing_to_report_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResablateError, match="sweep small: a report needs at least one trial that has ended, got none"):
        write(tmp_path / "small", [])


def test_only_failures_make_a_report_too(tmp_path: Path) -> None:
    page = write(tmp_path / "small", [make_result(status="failed", reason="lost", losses=[])])
    text = page.read_text(encoding="utf-8")
    assert "lost" in text
    assert "Lowest median test error" not in text


def test_analyses_that_followed_training_have_their_tables(tmp_path: Path) -> None:
    results = [
        result.model_copy(
            update={"analyses_by_epoch": {0: {"lesion": make_lesion([0.8, 0.9], baseline=0.7)}, 3: result.analyses}}
        )
        for result in small_results()[:3]
    ]
    page = BeautifulSoup(write(tmp_path / "r", results).read_text(encoding="utf-8"), "html.parser")
    headings = [heading.get_text() for heading in section(page, "analyses").find_all("h3")]
    assert headings == [
        "Lesion",
        "Lesion, before training",
        "Path gradient",
        "Path gradient, after epoch 3",
    ]
    (before,) = rows_of(section(page, "analyses"), table=1)
    assert before["baseline error"] == "70.0 ± 0.2 %"
    lines = (tmp_path / "r" / "tables" / "lesion_by_epoch.csv").read_text().splitlines()
    assert len(lines) == 1 + 3 * 2 * 2
    assert lines[0].startswith("key,shortcut,depth,seed,epoch,block,error")


def test_analyses_repeated_with_other_knobs_are_named(tmp_path: Path) -> None:
    first, *others = small_results()[:3]
    changed = first.model_copy(update={"analysis_knobs": {"lesion": {"lesion_examples": 50}}})
    path = write(tmp_path / "r", [changed, *others])
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    [item] = section(page, "analyses").find_all("li")
    assert item.get_text().endswith(f"({first.key}): lesion lesion_examples=50")
    assert f"resablate analyze {first.key} lesion lesion_examples=50" in section(page, "reproduce").get_text()
    assert f"({first.key}): lesion lesion" in path.with_name("index.md").read_text(encoding="utf-8")
    assert "repeated" not in write(tmp_path / "s", others).read_text(encoding="utf-8")
