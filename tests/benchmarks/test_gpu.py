"""The GPU script goes all its ways on the CPU, without what a GPU machine lacks."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.gpu import PARTS, main, render

ROOT = Path(__file__).parents[2]
MISSING = ["ray", "mlflow", "optuna", "pydantic", "matplotlib", "typer"]


@pytest.mark.slow
def test_a_dry_run_writes_every_part(tmp_path: Path) -> None:
    blocked = "".join(f"sys.modules[{name!r}] = None\n" for name in MISSING)
    code = f"import sys\n{blocked}from tests.benchmarks.gpu import main\nmain(['--dry-run', '--folder', sys.argv[1]])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "gpu.jsonl").read_text().splitlines()]
    counts = {part: sum(line["part"] == part for line in lines) for part in PARTS}
    assert counts == {"launches": 2, "convolutions": 6, "eigenvalues": 3, "analyses": 4, "training": 20}
    for line in lines:
        row = line["row"]
        assert all(value > 0 for name, value in row.items() if name.endswith(("(s)", "(ms)", "(us)", "images/s")))
        assert row.get("largest difference", 0) <= 0.1
        assert row.get("largest difference from the CPU", 0) <= 1e-9
    text = (tmp_path / "gpu.md").read_text()
    assert text == render(lines)
    assert "**A dry run with tiny sizes: no figure here means anything.**" in text
    assert text.count("Ran on: ") == len(PARTS)
    assert all(f"## {part.capitalize()}" in text for part in PARTS)


def test_what_is_measured_again_replaces_what_it_was(tmp_path: Path) -> None:
    arguments = ["--dry-run", "--folder", str(tmp_path), "--parts"]
    main([*arguments, "eigenvalues"])
    main([*arguments, "eigenvalues", "analyses"])
    text = (tmp_path / "gpu.md").read_text()
    assert text.count("\n| 16 |") == text.count("\n| lesion | ResNet-8 |") == 1
    assert len((tmp_path / "gpu.jsonl").read_text().splitlines()) == 3 + 3 + 4


def test_one_network_and_one_ordering(tmp_path: Path) -> None:
    parts = ["--parts", "training", "--blocks", "bottleneck", "--orderings", "original"]
    main(["--dry-run", "--folder", str(tmp_path), *parts])
    (line,) = (tmp_path / "gpu.jsonl").read_text().splitlines()
    row = json.loads(line)["row"]
    assert (row["network"], row["ordering"], row["way"]) == ("ResNet-11", "original", "bf16 + channels_last")


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "no CUDA device here; --dry-run needs none" in capsys.readouterr().err


@pytest.mark.gpu
def test_graphs_and_streams_compute_what_eager_calls_compute() -> None:
    """The two ways of the script that a CPU does not have."""
    import torch

    from tests.benchmarks.gpu import DRY, Bench

    bench = Bench(torch.device("cuda"), DRY, splits=None)  # type: ignore[arg-type]
    found = [torch.zeros(4, device="cuda") for _ in range(3)]
    replay = bench.graph(lambda: bench.side_by_side([lambda x=x: x.add_(1) for x in found]))
    before = found[0].clone()
    replay()
    bench.wait()
    assert all(torch.equal(x, before + 1) for x in found)
