"""The report as a browser and a spreadsheet read it."""

import csv
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag

from resablate import report
from resablate.errors import ResablateError
from resablate.figures.interval_tables import with_intervals
from resablate.figures.tables import Kind, Table
from resablate.report_pages import markdown_text
from resablate.result import TrialResult
from resablate.sweep import SweepSpec, parse_sweep
from tests.factories import make_lesion, make_measurement, make_outcomes, make_path_gradient, make_result

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
        "sweep.yaml",
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
    assert identity["mean error"] == "1.20 % (0.98 to 1.48), n 3"
    assert identity["difference to identity"] == "-"
    assert "published error" not in identity, "no network of a paper"
    assert conv1x1["mean error"] == "38.9 %, n 3", "three equal errors tell nothing of the noise"
    assert conv1x1["difference to identity"] == "+37.70 (+37.45 to +37.95), n 3"
    assert conv1x1["final train loss"] == "0.75, n 3"
    assert (none["trials"], none["diverged"], none["mean error"]) == ("2", "1", "50.0 %, n 1")


def test_the_analyses_are_summed_up(page: BeautifulSoup) -> None:
    (lesion,) = rows_of(section(page, "analyses"))
    assert (lesion["baseline error"], lesion["mean error"], lesion["mean increase"]) == (
        "10.0 % (9.61 to 10.4), n 3",
        "30.0 % (29.6 to 30.4), n 3",
        "20.0 % (19.6 to 20.4), n 3",
    )
    (gradient,) = rows_of(section(page, "analyses"), table=1)
    assert gradient["median length"] == "1, n 3"


def test_a_number_stands_with_its_interval_and_n() -> None:
    columns: dict[str, Kind] = {
        "shortcut": "text",
        **dict.fromkeys(["error", "error_low", "error_high"], "percent"),
        "error_n": "count",
        "norm_low": "number",
        "worst": "percent",
    }
    rows = [["identity", 0.0375, 0.03, 0.045, 3, 2.5, 0.5], ["none", 0.9, None, None, 1, 2.5, None]]
    table = with_intervals(Table(columns, rows))
    assert list(table.columns) == ["shortcut", "error", "norm_low", "worst"]
    assert table.shown() == [
        ["identity", "3.75 % (3.00 to 4.50), n 3", "2.5", "50.0 %"],
        ["none", "90.0 %, n 1", "2.5", "-"],
    ]


def test_the_headline_asks_and_the_facts_count(page: BeautifulSoup) -> None:
    header = page.find("header")
    assert isinstance(header, Tag)
    text = " ".join(header.get_text(" ").split())
    assert "What does the test error do when shortcut and depth change?" in text
    facts = page.find("dl", class_="facts")
    assert isinstance(facts, Tag)
    assert "Trials 9 7 finished, 1 diverged, 1 failed" in " ".join(facts.get_text(" ").split())
    assert "Lowest" not in page.get_text(), "the lowest of many is noise"


def _claims_of(heading: str) -> int:
    """`Networks of 110 layers or more: 1 claim (V7)` -> 1."""
    found = re.search(r": (\d+) claims? \(", heading)
    assert found
    return int(found[1])


def test_the_page_opens_with_the_answer(tmp_path: Path) -> None:
    """Nine claims at least are about shortcuts and depths of these trainings; 56 layers of 6 seeds decide some."""
    results = [
        make_result(error=e, seed=s, depth=56, width=8, shortcut=name, outcomes=make_outcomes(e, seed=s))
        for name, e in (("identity", 0.1), ("conv1x1", 0.2), ("dropout", 0.5))
        for s in range(8)
    ]
    path = write(tmp_path / "r", results)
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    assert next(found["id"] for found in page.find_all("section")) == "answer"
    answer = section(page, "answer")
    text = " ".join(answer.get_text(" ").split())
    assert "At most 5 % of such reports have a false verdict" in text
    lines = {line.find("b").get_text(): line for line in answer.find_all("details", class_="claim") if line.find("b")}
    assert {"H1", "H8", "H9"} <= set(lines)
    assert lines["H1"].find(class_="verdict").get_text() == "supported"
    assert re.search(r"lower by \d+\.\d+ points \(.* to .*\), n 8 each", lines["H1"].find(class_="numbers").get_text())
    picture = lines["H1"].find("svg")
    assert picture.find("circle") and picture.find("line", class_="range")
    terms = [term.get_text() for term in lines["H1"].find_all("dt")]
    assert {"Method", "Rule", "Source"} <= set(terms)
    assert " ".join(lines["H1"].get_text().split()).count("digits, depth 56") == 1, "the setting is told once"
    assert "Published" not in terms, "no network of the paper"
    rest = next(
        found for found in answer.find_all("details", class_="rest") if "What would" in found.summary.get_text()
    )
    headings = [found.summary.get_text() for found in rest.find_all("details", class_="rest")]
    assert rest.summary.get_text() == f"What would decide the rest: {sum(map(_claims_of, headings))} claims"
    which = next(found for found in answer.find_all("details", class_="rest") if "Which" in found.summary.get_text())
    assert any(item.get_text().startswith("H1: ") for item in which.find_all("li"))
    assert "H11" in rest.get_text()
    markdown = path.with_name("index.md").read_text(encoding="utf-8")
    assert "| H1: An identity shortcut" in markdown
    assert "- H11: needs trainings with original and bn after add" in markdown


@pytest.mark.parametrize(("missing", "to_come", "ended"), [(2, 0, "4 of 6"), (2, 3, "4 of at most 9"), (0, 0, "")])
def test_a_report_of_a_running_sweep_begins_with_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: int, to_come: int, ended: str
) -> None:
    monkeypatch.setattr("resablate.report_figures.FIGURES", {})
    path = report.write_report(
        [make_result(seed=seed) for seed in range(4)],
        sweep=small_sweep(),
        command=COMMAND,
        folder=tmp_path / "r",
        missing=[make_result(seed=seed).spec for seed in range(4, 4 + missing)],
        to_come=to_come,
    )
    banner = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").find(class_="banner")
    told = f"{ended} trials have ended: what stands here is of these alone, and may change."
    assert (banner and banner.get_text()) == (told if ended else None)
    assert path.with_name("index.md").read_text(encoding="utf-8").count("trials have ended") == bool(ended)


def test_a_report_without_a_claim_says_so(tmp_path: Path) -> None:
    page = write(tmp_path / "r", [make_result(seed=s) for s in range(2)])
    assert "These trainings test none of the published claims." in page.read_text(encoding="utf-8")
    markdown = page.with_name("index.md").read_text(encoding="utf-8")
    assert "These trainings test none of the published claims." in markdown
    assert "## Claims" not in markdown


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

    monkeypatch.setattr(report, "render_page", crash)
    with pytest.raises(ResablateError, match="disk full"):
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


def test_analyses_that_followed_training_have_their_tables(tmp_path: Path) -> None:
    after = {"lesion": make_lesion([0.2, 0.4], baseline=0.1), "path_gradient": make_path_gradient([1, 0.5, 0.1])}
    early = {0: {"lesion": make_lesion([0.8, 0.9], baseline=0.7)}, 3: after}
    results = [make_result(seed=seed, width=8, analyses=after, analyses_by_epoch=early) for seed in range(3)]
    page = BeautifulSoup(write(tmp_path / "r", results).read_text(encoding="utf-8"), "html.parser")
    headings = [heading.get_text() for heading in section(page, "analyses").find_all("h3")]
    assert headings == [
        "Lesion",
        "Lesion, before training",
        "Path gradient",
        "Path gradient, after epoch 3",
    ]
    (before,) = rows_of(section(page, "analyses"), table=1)
    assert before["baseline error"] == "70.0 % (69.6 to 70.4), n 3"
    lines = (tmp_path / "r" / "tables" / "lesion_by_epoch.csv").read_text().splitlines()
    assert len(lines) == 1 + 3 * 2 * 2
    assert lines[0].startswith("key,shortcut,depth,seed,epoch,block,error")


FEW = {"examples": 50}


def asked(**analyses: Any) -> SweepSpec:
    return parse_sweep({"name": "small", "axes": {"shortcut": ["identity"]}, "analyses": analyses})


def with_lesions(seed: int, *examples: int | None) -> TrialResult:
    """A trial whose lesions were measured on so many test examples; the mean error tells on how many."""
    measured = [
        make_measurement("lesion", make_lesion([(n or 900) / 1000], baseline=0.01), **({"examples": n} if n else {}))
        for n in examples
    ]
    return make_result(seed=seed).with_measurements(measured)


def test_the_sweeps_own_question_has_the_plain_name_in_whatever_order_it_was_answered(tmp_path: Path) -> None:
    results = [with_lesions(0, 50, None), with_lesions(1, None, 50), with_lesions(2, 50)]
    for number, (question, plain, longer, trials) in enumerate(
        [(FEW, "5.00", "90.0", ["3", "2"]), ({}, "90.0", "5.00", ["2", "3"])]
    ):
        path = report.write_report(results, sweep=asked(lesion=question), command="", folder=tmp_path / str(number))
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        headings = [heading.get_text() for heading in section(page, "analyses").find_all("h3")]
        assert headings == ["Lesion", "Lesion defaults" if question else "Lesion examples 50"]
        rows = [rows_of(section(page, "analyses"), table=place)[0] for place in (0, 1)]
        assert [row["trials"] for row in rows] == trials, "no median is over answers to different questions"
        assert rows[0]["mean error"].startswith(plain)
        assert rows[1]["mean error"].startswith(longer)
        name = "lesion_defaults" if question else "lesion_examples_50"
        assert {f"{name}.csv", f"{name}_summary.csv", "lesion.csv"} <= {
            p.name for p in (path.parent / "tables").iterdir()
        }


def test_what_was_asked_besides_the_sweeps_questions_is_in_the_commands(tmp_path: Path) -> None:
    results = [with_lesions(0, None, 50), with_lesions(1, None, 50)]
    path = report.write_report(results, sweep=asked(lesion={}), command=COMMAND, folder=tmp_path / "all")
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    [item] = section(page, "analyses").find_all("li")
    assert item.get_text() == "lesion(examples=50)"
    commands = section(page, "reproduce").find("code")
    assert isinstance(commands, Tag)
    assert commands.get_text().splitlines() == [COMMAND, "resablate analyze small lesion lesion.examples=50"]
    assert "* lesion(examples=50)\n" in path.with_name("index.md").read_text(encoding="utf-8")
    one = [with_lesions(0, None, 50), with_lesions(1, None)]
    path = report.write_report(one, sweep=asked(lesion={}), command=COMMAND, folder=tmp_path / "one")
    text = path.with_name("index.md").read_text(encoding="utf-8")
    assert f"resablate analyze {one[0].key} lesion lesion.examples=50" in text
    assert "* lesion(examples=50) (1 trial alone)\n" in text
    none = report.write_report(one[1:], sweep=asked(lesion={}), command=COMMAND, folder=tmp_path / "none")
    assert "resablate analyze" not in none.read_text(encoding="utf-8")


def test_a_question_after_other_epochs_is_one_of_its_own(tmp_path: Path) -> None:
    gradient = {"path_gradient": make_path_gradient([1, 0.5])}
    results = [make_result(analyses=gradient, analyses_by_epoch={0: gradient, 2: gradient, 5: gradient})]
    sweep = asked(path_gradient={"epochs": [0]})
    page = report.write_report(results, sweep=sweep, command=COMMAND, folder=tmp_path / "r")
    assert "resablate analyze small path_gradient &#39;path_gradient.epochs=[2, 5]&#39;" in page.read_text(
        encoding="utf-8"
    )
    text = page.with_name("index.md").read_text(encoding="utf-8")
    assert "resablate analyze small path_gradient 'path_gradient.epochs=[2, 5]'" in text
    assert "* path_gradient, also after epochs 2 and 5\n" in text


def test_results_are_kept_as_they_were_filed(tmp_path: Path) -> None:
    results = [with_lesions(0, 50, None), with_lesions(1, 50)]
    path = report.write_report(results, sweep=asked(lesion={}), command="", folder=tmp_path / "r")
    lines = path.with_name("results.jsonl").read_text(encoding="utf-8").splitlines()
    assert [TrialResult.from_json(line) for line in lines] == results


def test_markdown_has_quotes_as_they_are_and_nothing_else_of_html(folder: Path) -> None:
    text = (folder / "index.md").read_text(encoding="utf-8")
    assert set(re.findall(r"&[#\w]+;", text)) <= {"&lt;", "&gt;", "&amp;"}
    assert r"""RuntimeError: &lt;script&gt;alert(1)&lt;/script&gt; \| \`x\` \[y\](javascript:z) "'&amp;""" in text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ('it\'s 3 < 4 & "so"', 'it\'s 3 &lt; 4 &amp; "so"'),
        ("- a\n- b", "\\- a - b"),
        ("1. a", "1\\. a"),
        ("+0.27", "+0.27"),
        ("-", "-"),
        ("a_b _c_ *d*", "a_b \\_c\\_ \\*d\\*"),
    ],
)
def test_text_is_text_in_markdown(text: str, escaped: str) -> None:
    assert markdown_text(text) == escaped


def test_swept_values_are_shown_where_they_are_defaults(tmp_path: Path) -> None:
    results = [
        make_result(),
        *(make_result(shortcut={"name": "exclusive_gate", "bias": b}, error=0.2) for b in (0, -6)),
    ]
    axes = {"shortcut": ["identity", "exclusive_gate"], "shortcut.bias": [0, -6]}
    page = report.write_report(
        results, sweep=parse_sweep({"name": "g", "axes": axes}), command="", folder=tmp_path / "g"
    )
    rows = rows_of(section(BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser"), "errors"))
    assert [(row["shortcut"], row["shortcut.bias"]) for row in rows] == [
        ("identity", "-"),
        ("exclusive_gate", "-6"),
        ("exclusive_gate", "0"),
    ]


def test_networks_of_different_kinds_stand_in_one_report(tmp_path: Path) -> None:
    cases = [{"network": "resnet", "depth": 110}, {"network": "vgg", "depth": 15}]
    results = [make_result(network="resnet", depth=110, error=0.1), make_result(network="vgg", depth=15, error=0.05)]
    page = report.write_report(
        results, sweep=parse_sweep({"name": "n", "cases": cases}), command="", folder=tmp_path / "n"
    )
    parsed = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    rows = rows_of(section(parsed, "errors"))
    assert [(row["network"], row["shortcut"], row["depth"]) for row in rows] == [
        ("resnet", "identity", "110"),
        ("vgg", "-", "15"),
    ]
    assert [row["mean error"] for row in rows] == ["10.0 %, n 1", "5.00 %, n 1"]
