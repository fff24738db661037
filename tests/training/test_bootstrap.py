"""Standard errors by bootstrap against those that can be written down."""

import math

import pytest
import torch
from torch.nn import functional

from resablate.analyses import ANALYSES
from resablate.training.bootstrap import REPLICATES, ResampledScores, standard_error
from tests.networks import make_examples, make_generator, make_network


def _scores(wrong: torch.Tensor, batch: int) -> ResampledScores:
    """Scores of variants (rows) on examples (columns) that are classified wrongly where True; two classes."""
    scores = ResampledScores(len(wrong))
    labels = torch.zeros(wrong.shape[1], dtype=torch.long)
    for start in range(0, wrong.shape[1], batch):
        part = slice(start, start + batch)
        scores.start(labels[part])
        for variant, row in enumerate(wrong):
            scores.add([variant], functional.one_hot(row[part].long(), 2).float(), labels[part])
    return scores


def test_of_a_mean_it_is_the_analytic_one() -> None:
    """sqrt(p (1 - p) / n); of 200 replicates within 3 / sqrt(400) = 15 %."""
    wrong = torch.rand(3, 4000, generator=make_generator(1)) < torch.tensor([[0.05], [0.3], [0.5]])
    errors = _scores(wrong, 128).errors()
    p = wrong.double().mean(dim=1)
    assert errors[:, 0].tolist() == pytest.approx(p.tolist(), rel=1e-15)
    assert standard_error(errors).tolist() == pytest.approx((p * (1 - p) / 4000).sqrt().tolist(), rel=0.15)


def test_of_a_loss_it_is_the_analytic_one() -> None:
    logits = torch.randn(3000, 5, generator=make_generator(2))
    labels = torch.randint(5, (3000,), generator=make_generator(3))
    scores = ResampledScores(1)
    for part in torch.arange(3000).split(100):
        scores.start(labels[part])
        scores.add([0], logits[part], labels[part])
    losses = functional.cross_entropy(logits.double(), labels, reduction="none")
    assert float(scores.losses()[0, 0]) == pytest.approx(float(losses.mean()), rel=1e-12)
    assert float(standard_error(scores.losses())[0]) == pytest.approx(float(losses.std()) / math.sqrt(3000), rel=0.15)


def test_differences_are_paired() -> None:
    """Two variants that differ on 20 of 4,000 examples: the difference is known far better than either error."""
    wrong = torch.rand(1, 4000, generator=make_generator(4)) < 0.3
    other = wrong.clone()
    other[0, :20] = ~other[0, :20]
    errors = _scores(torch.cat([wrong, other]), 128).errors()
    difference = (wrong.double() - other.double())[0]
    expected = float(difference.std()) / math.sqrt(4000)
    assert float(standard_error(errors[1] - errors[0])) == pytest.approx(expected, rel=0.15)
    assert float(standard_error(errors)[0]) > 5 * expected


def test_variants_counted_together_are_counted_alike() -> None:
    scores = ResampledScores(3)
    labels = torch.tensor([0, 1, 1])
    scores.start(labels)
    scores.add([0, 2], torch.eye(2)[[0, 0, 1]], labels)
    scores.add([1], torch.eye(2)[[1, 0, 0]], labels)
    assert scores.errors()[:, 0].tolist() == pytest.approx([1 / 3, 1, 1 / 3])
    assert torch.equal(scores.errors()[0], scores.errors()[2])
    assert scores.errors().shape[1] <= 1 + REPLICATES


def test_one_example_has_no_standard_error() -> None:
    errors = _scores(torch.tensor([[True]]), 1).errors()
    assert errors[0, 0] == 1
    assert math.isnan(standard_error(errors)[0])
    assert float(standard_error(_scores(torch.tensor([[True, False]]), 1).errors())[0]) > 0


def test_the_same_examples_have_the_same_weights() -> None:
    wrong = torch.rand(1, 50, generator=make_generator(5)) < 0.5
    first = _scores(wrong, 10).errors()
    torch.rand(7)
    assert torch.equal(first[0], _scores(torch.cat([~wrong, wrong]), 10).errors()[1])


@pytest.mark.parametrize("count", [1, 300])
def test_all_analyses_give_the_same_error_the_same_standard_error(count: int) -> None:
    network, examples = make_network(depth=14), make_examples(count)
    errors = [
        ANALYSES[name].run(network, examples, generator=make_generator(seed)).summary[f"{error}_standard_error"]
        for seed, (name, error) in enumerate(
            {
                "lesion": "baseline_error",
                "multi_lesion": "baseline_error",
                "reorder": "baseline_error",
                "test_time_rules": "scaled_error",
            }.items()
        )
    ]
    assert all(map(math.isnan, errors)) if count == 1 else len(set(errors)) == 1 and errors[0] > 0
