"""The benchmark of predictions, on a trial that takes a moment."""

from resablate.machine_speed import TYPICAL
from tests.benchmarks.predictions import compare


def test_trials_run_with_their_questions_as_a_pack() -> None:
    base = {"depth": 8, "width": 2, "epochs": 1, "batch_size": 32, "dataset": {"name": "digits", "train_examples": 64}}
    content = {"base": base, "axes": {"seed": [0, 1]}, "analyses": {"path_count": {}}, "resources": {"pack": 2}}
    expected, taken = compare(content, TYPICAL)
    assert expected > 0
    assert taken > 0
