"""Every claim on a tiny sweep of its own, really trained: that it comes to a verdict, and what that costs.

`python -m tests.benchmarks.claims_run` writes reports/benchmarks/claims.md. With `--folder` what is trained stays
there, and a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import textwrap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from rich.console import Console

from resablate.claims import CLAIMS
from resablate.claims.answer import Answer, answer_claims
from resablate.plan import load_plan
from resablate.result import TrialResult
from resablate.scheduling import run_sweep
from resablate.tracking import open_tracker
from tests.benchmarks.claim_sweeps import claim_sweep, cut_of, decidable, folders

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "reports" / "benchmarks" / "claims.md"


@dataclass(frozen=True)
class ClaimRun:
    """What came of the sweep of one claim."""

    answer: Answer
    results: tuple[TrialResult, ...]
    problems: tuple[str, ...]


def filed_run(name: str, uri: str, problems: Sequence[str] = ()) -> ClaimRun:
    """What is filed of the sweep of one claim, decided as `resablate claims SWEEP` does."""
    results = open_tracker(uri).load_sweep(f"claims_{name}").results
    answers = {answer.claim.id: answer for answer in answer_claims(results)}
    return ClaimRun(answers[name], tuple(results), tuple(problems))


def run_claims(names: Sequence[str], *, folder: Path, seeds: int | None = None) -> Iterator[ClaimRun]:
    """The sweeps of claims one after another; what one has trained the next ones do not train again.

    Args:
        names: of claims that can be decided.
        folder: for sweep files, images, checkpoints and MLflow's database.
        seeds: of each cell, where not as usual.
    """
    os.environ["RESABLATE_HOME"] = str(folder)
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    images = folders(folder, names)
    for name in names:
        path = folder / f"claims_{name}.yaml"
        path.write_text(yaml.safe_dump(claim_sweep(name, seeds=seeds), sort_keys=False))
        outcome = run_sweep(
            load_plan(path),
            scheduler="inline",
            command=f"resablate sweep {path.name} --inline",
            console=Console(stderr=True),
            uri=uri,
            data_root=images.get(cut_of(name).classes),
            retry=("failed",),
        )
        if outcome.interrupted:
            raise KeyboardInterrupt
        yield filed_run(name, uri, [*outcome.filing_problems, *outcome.analysis_problems])


def report(runs: Sequence[ClaimRun]) -> str:
    """The page: a line for each claim."""
    trained: dict[str, TrialResult] = {result.key: result for run in runs for result in run.results}
    seconds = sum(result.wall_seconds for result in trained.values())
    order = list(CLAIMS)
    decided = sorted(runs, key=lambda run: order.index(run.answer.claim.id))
    lines = [
        "# Every claim on a tiny sweep",
        "",
        "Written by `python -m tests.benchmarks.claims_run`: for each claim the sweep that `resablate claims --plan`",
        "writes, cut to tiny networks and data, trained, filed in MLflow and decided as `resablate claims SWEEP` does.",
        "A verdict here says that its claim can be decided; of the papers' networks it says nothing.",
        "",
        f"{len(trained)} trainings in all, {seconds:,.0f} s together on a machine that does other work too; claims",
        "share trainings, so the columns add up to more. n is the trainings of each cell of the part that decides.",
        "",
        "| claim | trained on | trainings | seconds | verdict | n | difference (interval) | said |",
        "| --- | --- | ---: | ---: | --- | --- | --- | --- |",
        *(_row(run) for run in decided),
        "",
        *_not_run({run.answer.claim.id for run in runs}),
        "## What nothing decides yet",
        "",
    ]
    missing = [claim for claim in CLAIMS.values() if not claim.rule.arms]
    lines += [line for claim in missing for line in _wrapped(f"- {claim.id}: {claim.rule.text}.")]
    return "\n".join(lines) + "\n"


def _not_run(names: Collection[str]) -> list[str]:
    """The claims that have a sweep and are not on the page; nothing where every one is."""
    left = [name for name in CLAIMS if name in decidable() and name not in names]
    return ["## Not run here", "", *_wrapped(f"{', '.join(left)}."), ""] if left else []


def _row(run: ClaimRun) -> str:
    answer = run.answer
    data = ", ".join(sorted({_data(result) for result in run.results}))
    depths = sorted({result.spec.depth for result in run.results})
    seconds = sum(result.wall_seconds for result in run.results)
    told = "; ".join([*answer.notes, *run.problems])
    cells = [
        f"{answer.claim.id}: {answer.claim.statement}",
        f"{data}; {', '.join(map(str, depths))} layers",
        str(len(run.results)),
        f"{seconds:.0f}",
        str(answer.verdict),
        answer.seeds,
        answer.numbers or answer.what_would_decide,
        told,
    ]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _data(result: TrialResult) -> str:
    if result.spec.dataset.name != "image_folder":
        return result.spec.dataset.name
    tested = result.analyses.get("test")
    return f"{tested.summary['classes']:.0f} colors" if tested else "colors"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 120, subsequent_indent="  ")


def main() -> None:
    """Train, decide and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", nargs="+", default=decidable(), help="these alone; every one if left out")
    parser.add_argument("--folder", type=Path, help="where everything is kept; a temporary one if left out")
    parser.add_argument("--output", type=Path, default=REPORT)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = asked.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        runs: list[ClaimRun] = []
        for run in run_claims(asked.claims, folder=folder.resolve()):
            print(f"{run.answer.claim.id}: {run.answer.verdict} {run.answer.numbers}", flush=True)
            runs.append(run)
    asked.output.write_text(report(runs))


if __name__ == "__main__":
    main()
