"""The test as an analysis, against the evaluation of a training."""

import math

import pytest
import torch

from resablate.analyses import lesion, score_test
from resablate.training import evaluate
from tests.networks import make_examples, make_network


@pytest.mark.parametrize("count", [1, 40, 600], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_it_is_the_evaluation_bit_for_bit(count: int, dtype: torch.dtype) -> None:
    """600 examples are three batches, the last one shorter. The same kernels run on the same numbers."""
    network, examples = make_network(depth=14, dtype=dtype), make_examples(count, dtype=dtype)
    measured, expected = score_test(network, examples), evaluate(network, examples)
    assert measured.summary["error"] == expected.error
    assert measured.summary["loss"] == expected.loss
    assert measured.summary["classes"] == 3
    assert measured.table == {}
    assert measured.units == {
        "error": "fraction",
        "error_standard_error": "fraction",
        "loss": "nats",
        "loss_standard_error": "nats",
        "classes": "1",
    }


def test_the_standard_errors_are_those_of_means_over_examples() -> None:
    """200 resamples know a standard error to about 5 %, so that 15 % is three times what is to be expected."""
    network, examples = make_network(depth=14), make_examples(600)
    summary = score_test(network, examples).summary
    with torch.no_grad():
        losses = torch.nn.functional.cross_entropy(network(examples.images), examples.labels, reduction="none")
    error = summary["error"]
    assert summary["error_standard_error"] == pytest.approx(math.sqrt(error * (1 - error) / 600), rel=0.15)
    assert summary["loss_standard_error"] == pytest.approx(float(losses.std()) / math.sqrt(600), rel=0.15)
    assert math.isnan(score_test(network, examples.take(slice(1))).summary["loss_standard_error"])


def test_one_number_has_one_standard_error_in_all_analyses() -> None:
    """The weights of the bootstrap do not depend on how the examples are cut into batches."""
    network, examples = make_network(depth=14), make_examples(600)
    test, lesions = score_test(network, examples).summary, lesion(network, examples).summary
    for name in ("error", "error_standard_error", "loss", "loss_standard_error"):
        # Sums of 600 numbers in another order.
        assert test[name] == pytest.approx(lesions[f"baseline_{name}"], rel=1e-10)
