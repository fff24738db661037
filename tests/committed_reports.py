"""The reports of real studies that are kept in the repository: each is what today's code writes of its results.

`python -m tests.committed_reports` writes them again from their `results.jsonl`, or those that it is given, and the
tables of all that they say in reports/README.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from resablate.claims import CLAIMS
from resablate.claims.answer import Answer
from resablate.claims.answering import answer_sweeps
from resablate.report import RESULTS, write_report
from resablate.result import TrialResult
from resablate.sweep import load_sweep
from tests.what_would_decide import compared_with, counted, open_rows, table_row

ROOT = Path(__file__).parents[1]
UNFINISHED: tuple[str, ...] = ()
"""Studies that go on and have no report yet: their lines and sweep are kept for `resablate sync reports/NAME`."""
NAMES = (
    "branches_digits",
    "fashion_mnist",
    "fashion_mnist_regularizers",
    "gates_digits",
    "norms_by_depth",
    "norms_by_depth_digits",
    "orderings_fashion_mnist",
    "paths_digits",
    "paths_fashion_mnist",
    "paths_sampled_digits",
    "precision",
    "procrustes_digits",
    "procrustes_fashion_mnist",
    "procrustes_strength_search",
    "projection_cost_digits",
    "recipes_digits",
    "shortcuts_fashion_mnist",
    "sv_strength_search",
)
BEGIN, END = "<!-- what the kept studies say -->", "<!-- end -->"
BEGIN_OPEN, END_OPEN = "<!-- what would decide the others -->", "<!-- end of what would decide -->"


def kept_results(name: str) -> list[TrialResult]:
    """The lines of a kept report."""
    lines = (ROOT / "reports" / name / RESULTS).read_text(encoding="utf-8").splitlines()
    return [TrialResult.from_json(line) for line in lines]


def write_again(name: str, folder: Path) -> Path:
    """The report of the kept results in a folder of that name below `folder`; returns its page."""
    return write_report(
        kept_results(name),
        sweep=load_sweep(ROOT / "sweeps" / f"{name}.yaml"),
        command=f"resablate sweep sweeps/{name}.yaml\nresablate report {name}",
        folder=folder / name,
    )


def table() -> str:
    """What the kept studies say: a line for each claim and comparison that one of them tests, and what none does."""
    answers = _all_answers()
    order = list(CLAIMS)
    published = [(name, answer) for name, found in _published().items() for answer in found]
    published.sort(key=lambda row: order.index(row[1].claim.id))
    own = {name: [answer for answer in answers[name] if answer.claim.own] for name in NAMES}
    decided = [(name, answer) for name in NAMES for answer in own[name] if not answer.verdict.is_open]
    counts = [
        f"[{name}]({name}/index.md) {sum(row[0] == name for row in decided)} of {len(own[name])}" for name in NAMES
    ]
    return "\n".join(
        [
            f"{counted(_published())} `resablate claims` tells what each needs.",
            "",
            *_rows("Published claim", published),
            "",
            f"Decided of the studies' own comparisons, of a value with the first: {', '.join(counts)}.",
            "",
            *(_rows("A study's own comparison", decided) if decided else ()),
        ]
    ).rstrip()


def with_tables(readme: str) -> str:
    """The text of reports/README.md with its tables made anew."""
    readme = _between(readme, BEGIN, END, table())
    return _between(readme, BEGIN_OPEN, END_OPEN, "\n".join(open_rows(_published())))


def _between(page: str, begin: str, end: str, text: str) -> str:
    """The page with `text` in the place of what stands between two marks."""
    before, rest = page.split(begin)
    return f"{before}{begin}\n\n{text}\n\n{end}{rest.split(end)[1]}"


def _published() -> dict[str, list[Answer]]:
    """Study -> what its report says of published claims."""
    return {name: [answer for answer in found if not answer.claim.own] for name, found in _all_answers().items()}


@cache
def _all_answers() -> dict[str, list[Answer]]:
    """Study -> what its report says."""
    return {name: list(_answers(name)) for name in NAMES}


def _answers(name: str) -> Iterator[Answer]:
    """What the report of a study says, at the level of that report."""
    found = answer_sweeps([load_sweep(ROOT / "sweeps" / f"{name}.yaml")], kept_results(name), [])
    yield from (answer for answer in found.answers if answer.shown is not None)


def _rows(heading: str, answers: list[tuple[str, Answer]]) -> Iterator[str]:
    yield f"| {heading} | verdict | number with its interval | n | study |"
    yield "| --- | --- | --- | --- | --- |"
    for name, answer in answers:
        claim = answer.claim.statement if answer.claim.own else f"{answer.claim.id}: {answer.claim.statement}"
        claim += f" ({rivals})" if (rivals := compared_with(answer)) else ""
        at = "" if answer.claim.own or answer.shown is None else f" ({answer.shown.name})"
        cells = (claim, f"**{answer.word}**", answer.numbers + at, str(answer.seeds), f"[{name}]({name}/index.md)")
        yield table_row(cells)


if __name__ == "__main__":
    for study in sys.argv[1:] or NAMES:
        print(write_again(study, ROOT / "reports"), flush=True)
    page = ROOT / "reports" / "README.md"
    page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
