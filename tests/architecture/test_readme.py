"""The README, pasted: its sweep files are planned, and its commands are ones that there are."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import typer
import yaml

from resablate.commands.cli import app
from resablate.plan import load_plan

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    shlex.split(line, comments=True)
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]
OURS = [words[1:] for words in COMMANDS if words[0] == "resablate"]
SWEEPS = [block for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if block.startswith("name:")]
SMALL = {"width": 4, "epochs": 1, "batch_size": 32, "depth": 8}


def _cut(text: str) -> str:
    """The sweep of that text, small enough to be run here: digits, eight layers, one epoch, one or two seeds."""
    content = yaml.safe_load(text)
    base = {name: value for name, value in content["base"].items() if name != "dataset"}
    content["base"] = {**base, **SMALL, "dataset": {"name": "digits", "train_examples": 100}}
    content["axes"] = {name: values for name, values in content["axes"].items() if name not in ("depth", "seed")}
    content.pop("analyses", None)
    if "search" in content:
        content["search"] |= {"trials": 4, "analyze_best": 1, "replicate": 2}
    return yaml.safe_dump(content, sort_keys=False)


@pytest.mark.parametrize("words", OURS, ids=" ".join)
def test_every_command_is_one_that_there_is(words: list[str]) -> None:
    group = typer.main.get_command(app)
    command = group.commands[words[0]]
    command.make_context(words[0], words[1:])


@pytest.mark.parametrize("text", SWEEPS, ids=lambda text: text.splitlines()[0])
def test_every_sweep_is_one(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    if "rezero" not in text:  # of the package that the README has one write: tests/plugins
        assert load_plan(tmp_path / "a.yaml").trial_count > 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_its_commands_run_in_order(tmp_path: Path) -> None:
    """Those on a sweep of one's own, as they stand, in a folder with that sweep cut to size; then the search."""
    (tmp_path / "sweeps").mkdir()
    for text in SWEEPS[:2]:
        (tmp_path / "sweeps" / f"{yaml.safe_load(text)['name']}.yaml").write_text(_cut(text))
    block = next(block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "resablate sweep" in block)
    lines = [
        line for line in block.splitlines() if not line.startswith((". ", "resablate ui"))
    ]  # which waits for Ctrl-C
    script = "\n".join(
        ["set -e", f'resablate() {{ {shlex.quote(sys.executable)} -m resablate "$@"; }}', *lines, SEARCH]
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RESABLATE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    # Ray's sessions of other people on this machine are nothing that the doctor shall find; paths of sockets are short.
    with tempfile.TemporaryDirectory(prefix="ray") as sessions:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env={**environment, "RAY_TMPDIR": sessions},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (tmp_path / "reports" / "gates" / "index.html").is_file()
    assert "winner by val_error" in (tmp_path / "reports" / "strength" / "index.md").read_text()


SEARCH = "resablate sweep sweeps/strength.yaml && resablate report strength"
