"""The GPU script goes all its ways on the CPU, without what a GPU machine lacks."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.benchmarks import gpu_steps
from tests.benchmarks.gpu import DRY, PARTS, Bench, main, render

ROOT = Path(__file__).parents[2]
MISSING = (
    "ray mlflow optuna pydantic pydantic_core matplotlib typer torchvision sklearn pandas scipy rich jinja2 filelock"
).split()
TASKS = {
    "launches": 2,
    "convolutions": 6,
    "eigenvalues": 3,
    "analyses": 4,
    "packs": 1,
    "table_1": 12,
    "depths": 2,
    "epoch": 3,
}


def test_a_dry_run_writes_every_part(tmp_path: Path) -> None:
    blocked = "".join(f"sys.modules[{name!r}] = None\n" for name in MISSING)
    code = f"import sys\n{blocked}from tests.benchmarks.gpu import main\nmain(['--dry-run', '--folder', sys.argv[1]])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "gpu.jsonl").read_text().splitlines() if line]
    assert {part: sum(line["part"] == part for line in lines) for part in PARTS} == TASKS
    for line in lines:
        row = line["row"]
        assert "failed" not in row, row
        measured = {name: value for name, value in row.items() if isinstance(value, float) and not math.isnan(value)}
        assert all(value > 0 for name, value in measured.items() if "difference" not in name)
        assert row.get("largest difference", 0) <= 0.1
        assert row.get("largest difference from the CPU", 0) <= 1e-9
    text = (tmp_path / "gpu.md").read_text()
    assert text == render(lines)
    assert "**Rows of a dry run are among these: their figures mean nothing.**" in text
    assert text.count("Ran on: ") == len(PARTS)
    assert all(f"## {part.capitalize()}" in text for part in PARTS)


def test_a_run_measures_what_is_missing_and_again_replaces(tmp_path: Path) -> None:
    arguments = ["--dry-run", "--folder", str(tmp_path), "--parts", "eigenvalues"]
    main(arguments)
    file = tmp_path / "gpu.jsonl"
    first = file.read_text()
    main(arguments)
    assert file.read_text() == first
    *kept, last = [line for line in first.splitlines() if line]
    file.write_text("\n".join([*kept, last[:20]]))  # as a machine that stops leaves it
    main(arguments)
    assert [json.loads(line)["task"] for line in file.read_text().splitlines()[-1:]] == ["64x64"]
    main([*arguments, "--again"])
    assert len([line for line in file.read_text().splitlines() if line]) == 4 + 3
    assert (tmp_path / "gpu.md").read_text().count(" | 16 |") == 1


def test_a_row_replaces_one_of_its_card_and_size_alone() -> None:
    """And one of a dry run none, and stands beside none."""

    def line(card: str, sizes: str, seconds: float) -> dict[str, object]:
        return {
            "part": "eigenvalues", "task": "16x16", "sizes": sizes, "machine": f"{card}; torch 2", "day": "2026-01-01",
            "row": {"seconds": seconds},
        }  # fmt: skip

    measured = [line("H100", "full", 1.0), line("H200", "full", 2.0), line("H100", "smoke", 3.0)]
    dry = line("a CPU", DRY.name, 4.0)
    text = render([dry, *measured, line("H100", "full", 5.0), dry])
    rows = [row for row in text.splitlines() if row.startswith(("| H", "| a"))]
    assert rows == ["| H100 | full | 5 |", "| H200 | full | 2 |", "| H100 | smoke | 3 |"]
    assert "dry run" not in text
    assert "| a CPU | dry run | 4 |" in render([dry])


def test_a_dry_run_writes_elsewhere_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.benchmarks.gpu.FOLDER", tmp_path / "measured")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setitem(PARTS, "packs", lambda bench: iter([("one", lambda: {"seconds": 2.0})]))
    main(["--dry-run", "--parts", "packs"])
    [folder] = tmp_path.iterdir()
    assert folder.name.startswith("gpu-dry-run-")
    assert {file.name for file in folder.iterdir()} == {"gpu.jsonl", "gpu.md"}
    assert capsys.readouterr().out.splitlines()[-1] == str(folder / "gpu.md")


def test_what_fails_is_told_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(bench: object) -> object:
        yield "one", lambda: {"seconds": 1 / 0}
        yield "two", lambda: {"seconds": 2.0}

    arguments = ["--dry-run", "--folder", str(tmp_path), "--parts", "packs"]
    monkeypatch.setitem(PARTS, "packs", broken)  # type: ignore[arg-type]
    main(arguments)
    assert "ZeroDivisionError: division by zero" in (tmp_path / "gpu.md").read_text()
    main(arguments)
    lines = [json.loads(line) for line in (tmp_path / "gpu.jsonl").read_text().splitlines() if line]
    assert [line["task"] for line in lines] == ["one", "two", "one"]


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "no CUDA device here; --dry-run needs none" in capsys.readouterr().err


def test_the_cells_are_those_of_the_sweep() -> None:
    from resablate.plan import load_plan

    trials = load_plan(ROOT / "sweeps" / "he_table1.yaml").trials
    swept = {tuple(sorted((spec.shortcut.name, *map(str, spec.shortcut.arguments.values())))) for spec in trials}
    assert len({spec.cell for spec in trials}) == len(gpu_steps.TABLE_1) == 12
    assert {name for name, *_ in swept} <= {name for cell in swept for name in cell}
    assert {spec.shortcut.name for spec in trials} == {cell["name"] for cell in gpu_steps.TABLE_1.values()}
    assert {spec.iterations for spec in trials} == {64_000}


@pytest.mark.gpu
def test_graphs_and_streams_compute_what_eager_calls_compute() -> None:
    """The two ways of the script that a CPU does not have."""
    bench = Bench(torch.device("cuda"), DRY)
    found = [torch.zeros(4, device="cuda") for _ in range(3)]
    replay = bench.graph(lambda: bench.side_by_side([lambda x=x: x.add_(1) for x in found]))
    before = found[0].clone()
    replay()
    bench.wait()
    assert all(torch.equal(x, before + 1) for x in found)
