"""What the package's source may not hold: whatever runs code that comes as data."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "resablate"
FILES = sorted(PACKAGE.rglob("*.py"))
UNPICKLERS = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
RUNS_CODE = {"eval", "exec", "compile", "__import__"}
ALLOWED = {("datasets/cifar_batches.py", "import pickle")}
"""The format of CIFAR: an Unpickler that builds arrays and refuses all else (tests/datasets/test_cifar.py)."""


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _keywords(call: ast.Call) -> dict[str | None, str]:
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


def dangers(tree: ast.Module) -> Iterator[str]:
    """One line for each place that could run what it reads."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from (f"import {name}" for name in names if name.partition(".")[0] in UNPICKLERS)
        elif isinstance(node, ast.Call):
            name, given = _dotted(node.func), _keywords(node)
            last = name.rpartition(".")[2]
            if name in RUNS_CODE or name in ("os.system", "os.popen", "Tuner.restore"):
                yield name
            elif name == "torch.load" and given.get("weights_only") != "True":
                yield f"torch.load without weights_only=True, line {node.lineno}"
            elif name in ("yaml.load", "yaml.load_all") and "Strict" not in given.get("Loader", ""):
                yield f"{name} without a safe loader"
            elif name in ("yaml.unsafe_load", "yaml.full_load", "yaml.unsafe_load_all"):
                yield name
            elif last in ("load_model", "load_checkpoint", "read_pickle", "jit") and name.startswith(
                ("mlflow", "pd", "torch")
            ):
                yield name
            elif given.get("allow_pickle", "False") != "False" or given.get("shell", "False") != "False":
                yield f"{name} with {given}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_runs_what_it_reads(path: Path) -> None:
    name = str(path.relative_to(PACKAGE))
    found = {(name, danger) for danger in dangers(ast.parse(path.read_text()))}
    assert found <= ALLOWED


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from cloudpickle import loads",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "eval(text)",
        "np.load(path, allow_pickle=True)",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
        "mlflow.pytorch.load_model(uri)",
    ],
)
def test_the_search_finds(code: str) -> None:
    assert list(dangers(ast.parse(code)))


def test_the_strict_loader_is_a_safe_one() -> None:
    import yaml

    from resablate import strict_yaml

    assert issubclass(strict_yaml._StrictLoader, yaml.SafeLoader)
