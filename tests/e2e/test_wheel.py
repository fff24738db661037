"""The wheel, in an environment of its own and a folder without a checkout: all else comes from that of the tests."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]
SMALL = ["dataset.train_examples=100", "epochs=1", "width=4", "depth=[8]", "seed=[0]"]


def run(*words: object, folder: Path) -> str:
    """What a command prints there; it has to succeed."""
    foreign = ("PYTHONPATH", "RESABLATE_HOME")
    variables = {name: value for name, value in os.environ.items() if name not in foreign}
    done = subprocess.run(list(map(str, words)), cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def test_the_quickstart_of_the_wheel_runs_on_ray_and_is_reported(tmp_path: Path) -> None:
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path / "wheels", ROOT, folder=tmp_path)
    [wheel] = (tmp_path / "wheels").glob("resablate-*.whl")
    home = tmp_path / "environment"
    venv.create(home, with_pip=True, symlinks=True)
    python, here = home / "bin" / "python", sysconfig.get_path("purelib", vars={"base": str(home)})
    (Path(here) / "zz_rest.pth").write_text(sysconfig.get_path("purelib"))
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", wheel, folder=tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    module, typed = "import resablate; print(resablate.__file__)", Path(here) / "resablate" / "py.typed"
    assert run(python, "-c", module, folder=work).startswith(str(here))
    assert typed.is_file()
    command = home / "bin" / "resablate"
    assert "0.2.0" in run(command, "--version", folder=work)
    assert "he_table1" in run(command, "check", "he_table1", folder=work), "the sweeps of the papers come with it"
    assert "3 trials, 0 complete before, 3 finished" in run(command, "sweep", "quickstart", *SMALL, folder=work)
    run(command, "report", "quickstart", folder=work)
    assert (work / "reports" / "quickstart" / "index.html").is_file()
    assert (work / "mlflow.db").is_file()
