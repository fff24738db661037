"""Hostile names: a sweep's name becomes a folder, and what it says becomes a page."""

import json
import re
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt

from resablate.commands import cli
from resablate.component import Component
from resablate.errors import ResablateError, SpecError
from resablate.measurement import AnalysisResult, FailedMeasurement, Measurement
from resablate.question import Question
from resablate.report import write_report
from resablate.result import TrialResult
from resablate.sweep import SweepSpec, parse_sweep
from resablate.trial import run_trial
from tests.scheduling.tiny import BASE, tiny_plan

NAMES = ["../../x", "..", ".", "", "/tmp/x", "a/b", "a\\b", "a\0b", "a\n", "\n", "a b", "~", "~root", "-x", "%2e%2e"]
NAMES += ["x" * 101, "x" * 100_000, "CON", "nul", "Com1", "LPT9", "aux", "\uff41", "x\u202ey", "<script>", "x.", "$X"]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
def test_a_name_that_is_no_plain_folder_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SpecError, match="name: "):
        parse_sweep({"name": name})
    home = tmp_path / "one" / "two" / "home"
    home.mkdir(parents=True)
    monkeypatch.chdir(home)
    monkeypatch.setenv("RESABLATE_HOME", str(home))
    (home / "sweep.yaml").write_text(json.dumps({"name": name, "base": dict(BASE)}))
    before = sorted(tmp_path.rglob("*"))
    for verb in ("check", "sweep", "submit"):
        more = {"sweep": ["--inline"], "submit": ["--address", "http://127.0.0.1:1"]}.get(verb, [])
        monkeypatch.setattr("sys.argv", ["resablate", verb, "sweep.yaml", *more])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code == 2
    assert re.search(r"name: |the character '\\x00' in a text", capsys.readouterr().err)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("verb", ["report", "status", "analyze"])
@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "..", "a' OR 1=1 --", "x" * 5000])
def test_a_name_that_nobody_has_is_looked_for_and_nothing_else(
    verb: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["resablate", verb, name])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def result() -> TrialResult:
    plan = tiny_plan({"shortcut": ["identity"]}, analyses={"path_count": {}})
    [spec] = plan.trials
    return run_trial(spec, plan.questions(spec))


def test_a_report_does_not_follow_a_link_into_another_folder(tmp_path: Path, result: TrialResult) -> None:
    private = tmp_path / "private"
    private.mkdir()
    (private / "letter.txt").write_text("dear")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "tiny").symlink_to(private)
    sweep = tiny_plan({"shortcut": ["identity"]}).sweep
    with pytest.raises(ResablateError, match="holds files that are no report"):
        write_report([result], sweep=sweep, command="", folder=tmp_path / "reports" / "tiny")
    assert [path.read_text() for path in private.iterdir()] == ["dear"]


Element = tuple[str, tuple[str, ...], str]
"""Its name, the names of its attributes, and where it leads."""

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></pre></code><svg/onload=alert(1)>",
    "'; alert(1); '",
    "[click](javascript:alert(1))",
    "<a href='javascript:alert(1)'>x</a>",
    "![x](https://example.org/track.png)",
    "```\n<iframe src=//example.org></iframe>\n```",
    "{{ 7 * 7 }}{% raw %}",
    "<!-- hidden -->",
    "<https://example.org/auto>",
    "| a | b |\n|---|---|\n| c | d |",
    "\n# heading\n\n- list",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "../../../" + 300 * "x",
]


def _report(folder: Path, result: TrialResult, text: str) -> tuple[BeautifulSoup, BeautifulSoup]:
    """A report in which everything that a person or a store can put there is `text`: its page, and its Markdown."""
    [spec] = tiny_plan({"shortcut": ["identity"]}, analyses={"path_count": {}}).trials
    argued = Component("path_count", {"argument": text})
    renamed = AnalysisResult(summary={text: 1.0}, table={text: [1.0, 2.0]}, units={text: text}, axes={})
    hostile = result.model_copy(
        update={
            "reason": text,
            "measurements": (
                *result.measurements,
                Measurement(question=Question(Component("other")), result=renamed),
                Measurement(question=Question(argued), result=result.analyses["path_count"]),
            ),
            "failed_measurements": (FailedMeasurement(question=Question(argued, 1), reason=text),),
            "versions": {text: text},
        }
    )
    hostile = hostile.model_copy(update={"spec": spec.replace(shortcut=Component("identity", {"argument": text}))})
    failed = hostile.model_copy(update={"status": "failed", "spec": hostile.spec.replace(seed=1)})
    sweep = SweepSpec.model_validate({"name": "tiny", "question": text, "axes": {"seed": (0, 1)}})
    page = write_report([hostile, failed], sweep=sweep, command=text, folder=folder)
    # GitHub and editors show raw HTML in Markdown, and make links of addresses.
    shown = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render((folder / "index.md").read_text())
    return BeautifulSoup(page.read_text(), "html.parser"), BeautifulSoup(shown, "html.parser")


def _elements(page: BeautifulSoup) -> list[Element]:
    """Every element with its attributes' names, and where it leads."""
    return [
        (
            element.name,
            tuple(sorted(element.attrs)),
            str(element.get("href") or "") + str(element.get("src") or "")[:40],
        )
        for element in page.find_all(True)
    ]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, result: TrialResult) -> tuple[Path, list[list[Element]]]:
    """The folder of a report in which every such text is a plain word, and the elements of its pages."""
    folder = tmp_path_factory.mktemp("reports") / "plain"
    return folder, [_elements(page) for page in _report(folder, result, "plain")]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:25])
def test_nothing_in_a_report_becomes_an_element(
    text: str, tmp_path: Path, result: TrialResult, plain: tuple[Path, list[list[Element]]]
) -> None:
    folder, elements = plain
    hostile = _report(tmp_path / "hostile", result, text)
    for there, expected in zip(hostile, elements, strict=True):
        assert _elements(there) == expected
        assert not there.find_all(["script", "iframe", "svg", "object", "embed", "form"])
        assert not [name for element in there.find_all(True) for name in element.attrs if name.startswith("on")]
    files, expected = (
        [path.relative_to(place) for path in place.rglob("*")] for place in (tmp_path / "hostile", folder)
    )
    assert len(files) == len(expected)
    assert {path.parent for path in files} == {path.parent for path in expected}
    # An argument's value is a part of the names of its files.
    assert not [path.name for path in files if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,210}", path.name)]


def test_a_drawing_holds_no_script(tmp_path: Path, result: TrialResult) -> None:
    _report(tmp_path / "hostile", result, HOSTILE[0])
    for drawing in (tmp_path / "hostile" / "figures").glob("*.svg"):
        assert "<script" not in drawing.read_text()


def test_the_sweep_file_of_a_hostile_question_is_read_as_text(tmp_path: Path) -> None:
    for text in HOSTILE:
        (tmp_path / "x.yaml").write_text(yaml.safe_dump({"name": "x", "question": text}))
        assert parse_sweep(yaml.safe_load((tmp_path / "x.yaml").read_text())).question == text
