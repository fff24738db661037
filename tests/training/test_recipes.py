"""The learning rates of the papers, step by step, as the sweep files and a real optimizer give them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from resablate.datasets import DATASETS, Examples, split_sizes
from resablate.measurement import EpochMetrics
from resablate.model import build_network
from resablate.plan import load_plan
from resablate.registry import keyword_defaults
from resablate.spec import TrainSpec
from resablate.training import SCHEDULES, Training

SWEEPS = Path(__file__).parents[2] / "sweeps"


class Recipe(NamedTuple):
    """Rates by the number of steps before them."""

    rates: Sequence[tuple[int, float]]
    """First step at a rate -> the rate; the last line is the number of steps, at no rate."""
    source: str


STEPS = 352
"""Steps in an epoch of 45,000 images in batches of 128, the last of 72: 5,000 are held out (arXiv 1512.03385, 4.2)."""
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
    [(0, 0.1), (250 * STEPS, 0.01), (375 * STEPS, 0.001), (500 * STEPS, 0)],
    "Huang et al., arXiv 1603.09382, section 4: 500 epochs, divided by 10 at one half and three quarters",
)
IMAGENET_STEPS = 4_955
"""Steps in an epoch of 1,268,355 images in batches of 256: a hundredth of ImageNet's is held out."""
IMAGENET = Recipe(
    [(0, 0.1), (30 * IMAGENET_STEPS, 0.01), (60 * IMAGENET_STEPS, 0.001), (90 * IMAGENET_STEPS, 0)],
    "He et al. 2016, appendix: divided by 10 after 30 and 60 epochs; 90 in all as in arXiv 1512.03385's code",
)
OF_SWEEPS = {
    "he_table1": HE,
    "he_table2_resnet110": HE,
    "he_table2_resnet164": HE,
    "he_table3_resnet1001": HE,
    "he_table3_single": HE,
    "he_table5": IMAGENET,
    "he_table5_crop224": IMAGENET,
    "norm_ratio_procresnet166": FIRST_50,
    "norm_ratio_resnet164": FIRST_50,
    "procrustes_baseline164": PROCRUSTES,
    "procrustes_baseline_depths": PROCRUSTES,
    "procrustes_depths": PROCRUSTES,
    "procrustes_resnet166": PROCRUSTES,
    "veit_effective_paths": HE,
    "veit_resnet110": HE,
    "veit_stochastic_depth": STOCHASTIC_DEPTH,
    "veit_vgg": VGG,
}
OTHERS = {
    "torch-residual-networks": (
        {"epochs": 200, "milestones": (0.4, 0.6), "val_fraction": 1e-5},
        Recipe([(0, 0.1), (80 * 391, 0.01), (120 * 391, 0.001), (200 * 391, 0)], "M. Wilber: 200 epochs, 80 and 120"),
    ),
    "resnet-1k-layers": (
        {"epochs": 200, "milestones": (0.405, 0.61), "batch_size": 64, "val_fraction": 1e-5},
        Recipe([(0, 0.1), (81 * 782, 0.01), (122 * 782, 0.001), (200 * 782, 0)], "He et al.: 200 epochs, 81 and 122"),
    ),
}
"""Recipes of released code that no sweep follows: fields that give them, on all 50,000 images but one."""


def schedule_of(spec: TrainSpec, total: int) -> list[float]:
    schedule = SCHEDULES[spec.schedule]
    knobs: dict[str, Any] = {name: getattr(spec, name) for name in keyword_defaults(schedule)}
    return [schedule(step, total, learning_rate=spec.learning_rate, **knobs) for step in range(total)]


def make_recipe_training(spec: TrainSpec) -> Training:
    """A training of as many examples and steps as the spec's, on images of one pixel."""
    available = DATASETS[spec.dataset].train_count
    _, count = split_sizes(available, val_fraction=spec.val_fraction, train_examples=spec.train_examples)
    examples = Examples(torch.rand(count, 1, 1, 1), torch.zeros(count, dtype=torch.int64))
    fields = {name: getattr(spec, name) for name in ("epochs", "iterations", "batch_size", "learning_rate", "schedule")}
    knobs = {name: getattr(spec, name) for name in keyword_defaults(SCHEDULES[spec.schedule])}
    return Training(
        build_network(block="single", depth=5, width=1, in_channels=1, num_classes=2),
        train=examples,
        val=examples.take(slice(2)),
        momentum=spec.momentum,
        weight_decay=spec.weight_decay,
        augmentation="none",
        regularizer="none",
        sv_strength=0.0,
        seed=0,
        **fields,
        **knobs,
    )


def whole_rates(recipe: Recipe) -> list[float]:
    return [rate for (start, rate), (end, _) in pairwise(recipe.rates) for _ in range(end - start)]


def same_rates(actual: Sequence[float], expected: Sequence[float]) -> bool:
    ours, theirs = (torch.tensor(rates, dtype=torch.float64) for rates in (actual, expected))
    return torch.allclose(ours, theirs, rtol=1e-12, atol=0)


def rates_of_epochs(training: Training, epochs: Sequence[int]) -> dict[int, float]:
    """Step -> the optimizer's rate at it, for all steps of these epochs, counted from 0; others are taken as done."""
    seen: list[float] = []
    training.optimizer.register_step_pre_hook(lambda optimizer, *_: seen.append(optimizer.param_groups[0]["lr"]))
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
    plans = {path.stem: load_plan(path) for path in SWEEPS.glob("*.yaml")}
    assert set(OF_SWEEPS) == {name for name, plan in plans.items() if any(t.schedule == "steps" for t in plan.trials)}


@pytest.mark.parametrize("name", OF_SWEEPS)
def test_the_rates_of_a_sweep_are_its_paper_s_at_every_step(name: str) -> None:
    """Every step, so none of a hundred epochs has a tenth of its rate: what happens where schedulers are chained."""
    knobs = ("dataset", "epochs", "iterations", "batch_size", "learning_rate", *keyword_defaults(SCHEDULES["steps"]))
    different = {
        tuple(getattr(spec, knob) for knob in knobs): spec for spec in load_plan(SWEEPS / f"{name}.yaml").trials
    }
    for spec in different.values():
        check_recipe(spec, OF_SWEEPS[name])
        assert (spec.momentum, spec.weight_decay, spec.weight_decay_on) == (0.9, 1e-4, "all")
        assert spec.batch_size == (256 if OF_SWEEPS[name] is IMAGENET else 128)
        assert spec.nesterov == (OF_SWEEPS[name] is STOCHASTIC_DEPTH)


@pytest.mark.parametrize("name", OTHERS)
def test_recipes_of_released_code_can_be_asked_for(name: str) -> None:
    fields, recipe = OTHERS[name]
    check_recipe(TrainSpec.parse({"dataset": "cifar10", **fields}), recipe)


@pytest.mark.parametrize("sweep", ["he_table1", "procrustes_resnet166", "veit_stochastic_depth"])
def test_the_optimizer_has_these_rates_before_and_at_every_corner(sweep: str) -> None:
    """One sweep for each set of corners; one between two epochs is the first step of the second."""
    recipe = OF_SWEEPS[sweep]
    training = make_recipe_training(load_plan(SWEEPS / f"{sweep}.yaml").trials[0])
    expected = whole_rates(recipe)
    assert training.steps_per_epoch == STEPS
    around = {step for start, _ in recipe.rates for step in (start - 1, start) if 0 <= step < len(expected)}
    rates = rates_of_epochs(training, sorted({step // STEPS for step in around}))
    assert around <= set(rates)
    assert max(rates) == len(expected) - 1, "training ends where the recipe does"
    assert training.done
    assert same_rates(list(rates.values()), [expected[step] for step in rates])
