"""What the room offers."""

import subprocess
import sys
from pathlib import Path

from resablate import statistics

ROOT = Path(__file__).parents[2]


def test_the_public_names_are_there() -> None:
    assert statistics.__all__ == sorted(statistics.__all__, key=lambda name: (name[0].islower(), name))
    assert all(hasattr(statistics, name) for name in statistics.__all__)


def test_nothing_but_numpy_and_scipy_is_needed() -> None:
    blocked = "torch torchvision ray mlflow optuna pandas pydantic sklearn matplotlib".split()
    code = (
        "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in blocked) + "import resablate.statistics"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
