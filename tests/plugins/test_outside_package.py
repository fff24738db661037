"""The README's recipes, taken literally: a package of its own adds rows, and its arguments are axes."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```(?:python|toml|yaml)\n# ([^\n]+)\n(.*?)```", re.DOTALL)
ROWS = {"rezero": "shortcuts", "weight_norm": "analyses", "rmsprop": "optimizers", "stripes": "datasets"}


def _recipes() -> dict[str, str]:
    """File -> content, of the README's blocks that name one."""
    return dict(BLOCK.findall((ROOT / "README.md").read_text()))


def build_package(folder: Path, *, version: str = "1.0", changes: Mapping[str, str] | None = None) -> None:
    """The package as pip would lay it: modules, and metadata that names the entry points."""
    recipes = {**_recipes(), **(changes or {})}
    for name, content in recipes.items():
        if name.endswith((".py", ".yaml")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)
    (folder / "resablate_extras" / "__init__.py").touch()
    groups = tomllib.loads(recipes["resablate_extras: pyproject.toml"])["project"]["entry-points"]
    metadata = folder / f"resablate_extras-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: resablate-extras\nVersion: {version}\n")
    lines = [
        line for group, rows in groups.items() for line in (f"[{group}]", *(f"{n} = {v}" for n, v in rows.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")


COMMANDS = """
import json, sys
from resablate.commands.cli import app
for words in json.loads(sys.argv[1]):
    app(words, standalone_mode=False)
"""


def run(folder: Path, *commands: list[str]) -> subprocess.CompletedProcess[str]:
    """What a person who installed the package sees of some commands, one after another in one process."""
    return subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(commands)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "RESABLATE_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


PLAN = """
import json, sys
from pathlib import Path
from resablate.plan import load_plan
plan = load_plan(Path("extras.yaml")).identified(None)
print(json.dumps([[spec.key, spec.params(), [q.id for q in plan.questions(spec)]] for spec in plan.trials]))
"""


def plan(folder: Path) -> list[tuple[str, dict[str, object], list[str]]]:
    """Key, params and questions of every trial of the README's sweep."""
    done = subprocess.run(
        [sys.executable, "-c", PLAN],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_row_is_one_file_of_a_few_lines() -> None:
    lengths = {name: len(content.splitlines()) for name, content in _recipes().items() if name.endswith(".py")}
    assert len(lengths) == len(ROWS), "one file for each row"
    assert max(lengths.values()) <= 26, lengths
    toml = _recipes()["resablate_extras: pyproject.toml"]
    assert len([line for line in toml.splitlines() if line]) == 2 * len(ROWS), "a group and a line for each row"


def test_the_arguments_of_its_rows_are_axes_and_params(tmp_path: Path) -> None:
    build_package(tmp_path)
    trials = plan(tmp_path)
    seen = {(p["shortcut"], p.get("shortcut.start"), p["optimizer"], p.get("optimizer.alpha")) for _, p, _ in trials}
    shortcuts = [("identity", None), ("rezero", 0.0), ("rezero", 1.0)]
    optimizers = [("sgd", None), ("rmsprop", 0.9), ("rmsprop", 0.99)]
    assert seen == {(*shortcut, *optimizer) for shortcut in shortcuts for optimizer in optimizers}
    assert {params["dataset.noise"] for _, params, _ in trials} == {0.3, 0.6}
    assert len({key for key, _, _ in trials}) == len(trials) == 18


def test_its_sweep_runs_and_its_table_is_listed(tmp_path: Path) -> None:
    build_package(tmp_path)
    small = _recipes()["extras.yaml"].replace("[{name: stripes, noise: 0.3}, {name: stripes, noise: 0.6}]", "[stripes]")
    (tmp_path / "extras.yaml").write_text(small.replace("[sgd, rmsprop]", "[rmsprop]"))
    lists = [["list", table] for table in ROWS.values()]
    ran = run(tmp_path, ["sweep", "extras.yaml", "--inline", "--max-trials", "2"], *lists)
    assert ran.returncode == 0, ran.stderr
    assert "2 finished" in ran.stdout
    assert all(f"\n{row} " in ran.stdout for row in ROWS)


def test_a_change_of_its_source_is_noticed(tmp_path: Path) -> None:
    """Trainings with its rows are others, and its analysis is another question; the test stays the same one."""
    before, after = tmp_path / "before", tmp_path / "after"
    name = "resablate_extras/weight_norm.py"
    build_package(before)
    build_package(after, changes={name: _recipes()[name] + "\n# changed\n"})
    one, other = plan(before), plan(after)
    assert all(a[0] != b[0] for a, b in zip(one, other, strict=True)), "its data set is in every trial of this sweep"
    asked = [(len(set(a[2]) & set(b[2])), len(a[2])) for a, b in zip(one, other, strict=True)]
    assert set(asked) == {(1, 3)}, "the test stays, both questions of weight_norm are new"


@pytest.mark.slow
def test_it_changes_nothing_that_does_not_name_it(tmp_path: Path) -> None:
    build_package(tmp_path)
    code = (
        "from resablate.check import check_trial\nfrom resablate.spec import TrainSpec\n"
        "print(check_trial(TrainSpec.parse({'shortcut': 'exclusive_gate', 'depth': 8})).key)"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for folder in (tmp_path, tmp_path / "elsewhere")
    }
    assert len(keys) == 1


def test_a_row_that_cannot_be_loaded_is_named_and_the_others_stay(tmp_path: Path) -> None:
    build_package(tmp_path, changes={"resablate_extras/rezero.py": "raise RuntimeError('broken on purpose')\n"})
    listed = run(tmp_path, ["list", "shortcuts"])
    assert listed.returncode == 0
    assert "exclusive_gate" in listed.stdout
    assert "rezero" not in listed.stdout
    assert "resablate-extras 1.0" in listed.stderr
    assert "broken on purpose" in listed.stderr
