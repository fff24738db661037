"""Who may import whom: the layers of pyproject.toml, and what really runs where a package is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_layers_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def _runs_without(packages: list[str], code: str) -> None:
    blocked = "".join(f"sys.modules[{name!r}] = None\n" for name in packages)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{blocked}{code}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_library_runs_without_the_sweep_layer() -> None:
    _runs_without(
        ["ray", "mlflow", "optuna", "pydantic", "matplotlib", "typer"],
        "import torch\n"
        "from resablate import Examples, build_network, gradients_by_length, lesion, load_dataset, path_gradient\n"
        "data = load_dataset('synthetic')\n"
        "network = build_network(depth=8, width=2)\n"
        "examples = Examples(data.test_images[:8], data.test_labels[:8])\n"
        "assert len(lesion(network, examples).frame()) == 3\n"
        "path_gradient(network, examples, generator=torch.Generator(), samples=1)\n",
    )


def test_a_sweep_is_read_and_counted_without_torch() -> None:
    _runs_without(
        ["torch", "torchvision", "ray", "mlflow", "optuna", "matplotlib"],
        "from resablate import load_sweep\n"
        "import resablate.result\n"
        "sweep = load_sweep('sweeps/quickstart.yaml')\n"
        "assert sweep.grid_size == 12\n"
        "assert len({sweep.trial(point).key for point in sweep.points()}) == 12\n",
    )


@pytest.mark.parametrize("word", ["ray.train", "from ray import train"])
def test_nothing_imports_ray_train(word: str) -> None:
    """Inside a Tune trainable ray.train raises since Ray 2.5x; only ray.tune is used."""
    assert not [path for path in (ROOT / "resablate").rglob("*.py") if word in path.read_text()]
