"""What the analyses take, as sweeps and checks see it."""

import subprocess
import sys
from pathlib import Path

import pytest

from resablate.analyses import ANALYSES, LESION_ARITHMETICS, LESION_DESIGNS, WEIGHTS, Analysis, cut_examples
from resablate.datasets import Examples
from resablate.errors import DatasetError
from tests.networks import make_examples

ROOT = Path(__file__).parents[2]
CROP = {"crop": None}
EXPECTED = {
    "test": CROP,
    "lesion": {"examples": None, "arithmetic": "exact", **CROP},
    "multi_lesion": {"largest": 20, "subsets": 100, "design": "independent", "examples": None, **CROP},
    "reorder": {"swaps": 20, "samples": 20, "examples": None, **CROP},
    "saliency": {"examples": None, **CROP},
    "path_count": {"effective_low": None, "effective_high": None},
    "path_gradient": {"examples": 32, "samples": 4, "signs": 4},
    "norm_preservation": {"examples": 256, "weights": "as_is"},
    "spectrum": {"target": None, "weights": "as_is"},
    "linear_spectrum": {},
    "branch_ablation": {"examples": None, **CROP},
    "block_spans": {"length": 2, "examples": None, **CROP},
    "test_time_rules": {"subsets": 20, **CROP},
}


def test_the_arguments_and_their_defaults() -> None:
    assert {name: dict(ANALYSES.arguments(name)) for name in ANALYSES} == EXPECTED
    assert next(iter(ANALYSES)) == "test"


@pytest.mark.parametrize("name", ANALYSES)
def test_every_argument_has_its_type(name: str) -> None:
    assert ANALYSES.types(name).keys() == ANALYSES.arguments(name).keys()


def test_closed_sets_are_told_by_their_tables() -> None:
    assert LESION_ARITHMETICS in ANALYSES.types("lesion")["arithmetic"].__metadata__
    for name in ("norm_preservation", "spectrum"):
        assert WEIGHTS in ANALYSES.types(name)["weights"].__metadata__
    assert LESION_DESIGNS in ANALYSES.types("multi_lesion")["design"].__metadata__


@pytest.mark.parametrize("name", ANALYSES)
def test_only_rows_of_test_examples_take_a_crop(name: str) -> None:
    row: Analysis = ANALYSES[name]
    assert (cut_examples in row.functions) == ("crop" in ANALYSES.arguments(name)) == (row.examples == "test")


def test_images_of_one_size_are_not_cut() -> None:
    examples: Examples = make_examples()
    assert cut_examples(examples) is examples
    with pytest.raises(DatasetError):
        cut_examples(examples, crop=16)


def test_they_are_asked_without_the_layer_of_sweeps() -> None:
    script = (
        "import sys, resablate.analyses\n"
        "print([name for name in ('pydantic', 'ray', 'mlflow', 'optuna', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
