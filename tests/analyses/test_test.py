"""The test as an analysis, against the evaluation of a training."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from resablate import Examples, build_network
from resablate.analyses import lesion, score_test
from resablate.measurement import Outcomes
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


@pytest.mark.parametrize(("classes", "count"), [(3, 9), (10, 16), (12, 40)])
def test_outcomes_of_every_example(classes: int, count: int) -> None:
    generator = torch.Generator().manual_seed(classes)
    network = build_network(depth=8, width=2, in_channels=1, num_classes=classes, generator=generator)
    images, labels = torch.randn(count, 1, 8, 8, generator=generator), torch.arange(count) % classes
    result = score_test(network, Examples(images, labels))
    outcomes = result.outcomes
    assert outcomes is not None
    with torch.no_grad():
        logits = network.eval()(images)
    assert outcomes.unpacked().tolist() == (logits.argmax(1) != labels).tolist()
    assert outcomes.unpacked().mean() == pytest.approx(result.summary["error"])
    assert outcomes.examples == Examples(images, labels).fingerprint() != Examples(images + 1, labels).fingerprint()
    if classes <= 10:
        assert "top5_error" not in result.summary
        with pytest.raises(ValueError, match="more than ten classes"):
            outcomes.unpacked(top5=True)
    else:
        inside = (logits.topk(5, dim=1).indices == labels[:, None]).any(dim=1)
        assert outcomes.unpacked(top5=True).tolist() == (~inside).tolist()
        assert result.summary["top5_error"] == pytest.approx(1 - float(inside.double().mean()))
        assert result.summary["top5_error"] <= result.summary["error"]


def test_outcomes_of_another_length_are_refused() -> None:
    outcomes = Outcomes.of(np.array([True] * 9), examples="x")
    assert outcomes.unpacked().all()
    with pytest.raises(ValueError, match="17 outcomes need 3 bytes, got 2"):
        replace(outcomes, count=17).unpacked()
