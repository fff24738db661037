"""The learning rates of the papers, step by step, as the sweep files and a real optimizer give them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from resablate.check import check_trial
from resablate.datasets import DATASETS, Examples, split_sizes
from resablate.measurement import EpochMetrics
from resablate.model import build_network
from resablate.plan import load_plan
from resablate.schedules import SCHEDULES
from resablate.spec import TrainSpec
from resablate.training import Training

SWEEPS = Path(__file__).parents[2] / "sweeps"


class Recipe(NamedTuple):
    """Rates by the number of steps before them."""

    rates: Sequence[tuple[int, float]]
    """First step at a rate -> the rate; the last line is the number of steps, at no rate."""
    source: str


STEPS = 391
"""Steps in an epoch of 50,000 images in batches of 128, the last of 80: none is held out."""
HELD_OUT_STEPS = 352
"""Of 45,000 images, the last batch of 72: 5,000 are held out."""
HE = Recipe(
    [(0, 0.01), (400, 0.1), (32_000, 0.01), (48_000, 0.001), (64_000, 0)],
    "He et al. 2016, appendix: 0.01 for 400 iterations, 0.1, divided by 10 at 32k and 48k; 64k in all",
)
VGG = Recipe(
    [(0, 0.01), (400, 0.05), (32_000, 0.005), (48_000, 0.0005), (64_000, 0)], "none published; as HE from 0.05"
)
PROCRUSTES = Recipe(
    [(0, 0.1), (150 * STEPS, 0.01), (225 * STEPS, 0.001), (300 * STEPS, 0)],
    "Zaeemzadeh et al. 2020, both released codes: 300 epochs, divided by 10 at 150 and 225",
)
FIRST_50 = Recipe([(0, 0.1), (50 * STEPS, 0)], "the first 50 epochs of PROCRUSTES, as an animation of theirs shows")
STOCHASTIC_DEPTH = Recipe(
    [(0, 0.1), (250 * HELD_OUT_STEPS, 0.01), (375 * HELD_OUT_STEPS, 0.001), (500 * HELD_OUT_STEPS, 0)],
    "Huang et al., arXiv 1603.09382, section 4: 500 epochs, divided by 10 at one half and three quarters",
)
HUANG = Recipe(
    [(0, 0.1), (249 * HELD_OUT_STEPS, 0.01), (374 * HELD_OUT_STEPS, 0.001), (500 * HELD_OUT_STEPS, 0)],
    "Huang et al., released code: the rate falls where an epoch, counted from 1, is no less than half of 500",
)
FACEBOOK = Recipe(
    [(0, 0.1), (80 * STEPS, 0.01), (121 * STEPS, 0.001), (164 * STEPS, 0)],
    "fb.resnet.torch: the rate falls from epoch 81 and from 122 on, counted from 1",
)
SMALL_BATCH_STEPS = 782
"""Steps in an epoch of 50,000 images in batches of 64."""
THOUSAND_LAYERS = Recipe(
    [(0, 0.1), (80 * SMALL_BATCH_STEPS, 0.01), (121 * SMALL_BATCH_STEPS, 0.001), (200 * SMALL_BATCH_STEPS, 0)],
    "resnet-1k-layers: 200 epochs in batches of 64 in the trainer of FACEBOOK",
)
NESTEROV = (STOCHASTIC_DEPTH, HUANG, FACEBOOK, THOUSAND_LAYERS)
IMAGENET_STEPS = 5_005
"""Steps in an epoch of ImageNet's 1,281,167 images in batches of 256, none held out."""
IMAGENET = Recipe(
    [(0, 0.1), (30 * IMAGENET_STEPS, 0.01), (60 * IMAGENET_STEPS, 0.001), (90 * IMAGENET_STEPS, 0)],
    "He et al. 2016, appendix: divided by 10 after 30 and 60 epochs; 90 in all as in arXiv 1512.03385's code",
)
OF_SWEEPS = {
    "he_table1": {"resnet": HE},
    "he_table2_resnet110": {"resnet": HE},
    "he_table2_resnet164": {"resnet": HE},
    "he_table3_resnet1001": {"resnet": HE},
    "he_table3_single": {"resnet": HE},
    "he_table5": {"imagenet_resnet": IMAGENET},
    "norm_ratios": {"resnet": FIRST_50},
    "fb_resnet_torch": {"resnet": FACEBOOK},
    "huang_stochastic_depth": {"resnet": HUANG},
    "procresnet_pytorch_rivals": {"resnet": PROCRUSTES},
    "procrustes_depths": {"resnet": PROCRUSTES},
    "procrustes_resnet166": {"resnet": PROCRUSTES},
    "resnet_1k_layers": {"resnet": THOUSAND_LAYERS},
    "veit_effective_paths": {"resnet": HE},
    "veit_resnet110": {"resnet": HE, "vgg": VGG},
    "veit_stochastic_depth": {"resnet": STOCHASTIC_DEPTH},
}
"""Sweep -> network -> its recipe."""
EVERY_IMAGE = {"name": "cifar10", "val_fraction": 0}
OTHERS = {
    "torch-residual-networks": (
        {"epochs": 200, "schedule.milestones": (0.4, 0.6), "dataset": EVERY_IMAGE},
        Recipe([(0, 0.1), (80 * 391, 0.01), (120 * 391, 0.001), (200 * 391, 0)], "M. Wilber: 200 epochs, 80 and 120"),
    ),
}
"""Recipes of released code that no sweep follows: fields that give them, on all 50,000 images."""


def schedule_of(spec: TrainSpec, total: int) -> list[float]:
    schedule, arguments = SCHEDULES[spec.schedule.name], spec.schedule.values
    return [schedule(step, total, learning_rate=spec.learning_rate, **arguments) for step in range(total)]


def make_recipe_training(spec: TrainSpec) -> Training:
    """A training of as many examples and steps as the spec's, on images of one pixel."""
    data = spec.dataset.values
    available = DATASETS[spec.dataset.name].train_count
    _, count = split_sizes(available, val_fraction=data["val_fraction"], train_examples=data["train_examples"])
    examples = Examples(torch.rand(count, 1, 1, 1), torch.zeros(count, dtype=torch.int64))
    network = {"name": "resnet", "block": "single"}
    return Training(
        build_network(network=network, depth=5, width=1, in_channels=1, num_classes=2),
        train=examples,
        val=examples.take(slice(2)),
        seed=0,
        epochs=spec.epochs,
        iterations=spec.iterations,
        batch_size=spec.batch_size,
        learning_rate=spec.learning_rate,
        optimizer=spec.optimizer,
        schedule=spec.schedule,
    )


def whole_rates(recipe: Recipe) -> list[float]:
    return [rate for (start, rate), (end, _) in pairwise(recipe.rates) for _ in range(end - start)]


def same_rates(actual: Sequence[float], expected: Sequence[float]) -> bool:
    ours, theirs = (torch.tensor(rates, dtype=torch.float64) for rates in (actual, expected))
    return torch.allclose(ours, theirs, rtol=1e-12, atol=0)


def rates_of_epochs(training: Training, epochs: Sequence[int]) -> dict[int, float]:
    """Step -> the optimizer's rate at it, for all steps of these epochs, counted from 0; others are taken as done."""
    seen: list[float] = []
    training.optimizer.register_step_pre_hook(lambda optimizer, *_: seen.append(float(optimizer.param_groups[0]["lr"])))
    done = EpochMetrics(epoch=0, train_loss=0, train_error=0, val_loss=0, val_error=0, learning_rate=0, wall_seconds=0)
    rates: dict[int, float] = {}
    for epoch in epochs:
        training.restore(training.tensors(), [done] * epoch)
        training.run_epoch()
        rates |= dict(enumerate(seen, start=epoch * training.steps_per_epoch))
        seen.clear()
    return rates


def check_recipe(spec: TrainSpec, recipe: Recipe) -> None:
    expected = whole_rates(recipe)
    training = make_recipe_training(spec)
    assert training.total_steps == len(expected)
    assert same_rates(schedule_of(spec, len(expected)), expected)


def test_every_sweep_in_steps_has_a_recipe() -> None:
    """A sweep that is added says here which rates it has; the small ones have the one-cycle schedule."""
    found: dict[str, set[str]] = {}
    for path in SWEEPS.glob("*.yaml"):
        for spec in load_plan(path).trials:
            if spec.schedule.name == "steps":
                found.setdefault(path.stem, set()).add(spec.network.name)
    assert found == {name: set(recipes) for name, recipes in OF_SWEEPS.items()}


@pytest.mark.parametrize("name", OF_SWEEPS)
def test_the_rates_of_a_sweep_are_its_paper_s_at_every_step(name: str) -> None:
    """Every step, so none of a hundred epochs has a tenth of its rate: what happens where schedulers are chained."""
    knobs = ("dataset", "epochs", "iterations", "batch_size", "learning_rate", "schedule", "optimizer")
    different = {
        (spec.network.name, *(getattr(spec, knob) for knob in knobs)): spec
        for spec in load_plan(SWEEPS / f"{name}.yaml").trials
    }
    for spec in different.values():
        recipe = OF_SWEEPS[name][spec.network.name]
        check_recipe(spec, recipe)
        assert spec.optimizer.name == "sgd"
        assert spec.optimizer.values == {
            "momentum": 0.9,
            "nesterov": recipe in NESTEROV,
            "weight_decay": 1e-4,
            "weight_decay_on": "all",
        }
        assert spec.batch_size == {id(IMAGENET): 256, id(THOUSAND_LAYERS): 64}.get(id(recipe), 128)


@pytest.mark.parametrize("name", OTHERS)
def test_recipes_of_released_code_can_be_asked_for(name: str) -> None:
    fields, recipe = OTHERS[name]
    check_recipe(check_trial(TrainSpec.parse(fields)), recipe)


@pytest.mark.parametrize(
    "sweep",
    [
        "he_table1",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("procrustes_resnet166", "veit_stochastic_depth")),
    ],
)
def test_the_optimizer_has_these_rates_before_and_at_every_corner(sweep: str) -> None:
    """One sweep for each set of corners; one between two epochs is the first step of the second."""
    (recipe,) = OF_SWEEPS[sweep].values()
    training = make_recipe_training(load_plan(SWEEPS / f"{sweep}.yaml").trials[0])
    expected = whole_rates(recipe)
    steps = HELD_OUT_STEPS if recipe is STOCHASTIC_DEPTH else STEPS
    assert training.steps_per_epoch == steps
    around = {step for start, _ in recipe.rates for step in (start - 1, start) if 0 <= step < len(expected)}
    rates = rates_of_epochs(training, sorted({step // steps for step in around}))
    assert around <= set(rates)
    assert max(rates) == len(expected) - 1, "training ends where the recipe does"
    assert training.done
    assert same_rates(list(rates.values()), [expected[step] for step in rates])
