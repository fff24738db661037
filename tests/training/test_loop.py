import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from resablate.check import check_trial
from resablate.errors import UnknownName
from resablate.model import ResidualNetwork, Route
from resablate.training import BLOCK_SAMPLINGS, Training, evaluate, evaluation_mode
from resablate.training.evaluation import EVALUATION_BATCH
from tests.networks import make_examples, make_generator, make_network
from tests.training.runs import make_digits_network, make_splits, make_training, numbers, run, same_bits, small_spec

GOLDEN = Path(__file__).parents[1] / "golden" / "smoke_losses.txt"


def test_the_loss_falls_on_digits() -> None:
    splits = make_splits(train_examples=None)
    history = run(make_training(splits=splits, epochs=2)).history
    assert history[1].train_loss < 0.8 * history[0].train_loss
    assert history[1].val_error < 0.6
    assert [row.epoch for row in history] == [1, 2]


def test_golden_losses() -> None:
    """A change that claims not to alter results leaves these alone.

    To a part in a thousand: other CPUs and versions of torch sum in another order, and twelve steps amplify that.
    """
    history = run(make_training(epochs=4, augmentation={"name": "crop_flip", "padding": 1})).history
    expected = [line.split() for line in GOLDEN.read_text().splitlines() if not line.startswith("#")]
    assert len(history) == len(expected)
    for row, (epoch, train_loss, val_loss) in zip(history, expected, strict=True):
        assert row.epoch == int(epoch)
        assert row.train_loss == pytest.approx(float(train_loss), rel=1e-3)
        assert row.val_loss == pytest.approx(float(val_loss), rel=1e-3)


@pytest.mark.parametrize("shortcut", ["identity", "dropout"])
def test_one_seed_gives_the_same_bits(shortcut: str) -> None:
    one = run(make_training(shortcut=shortcut, augmentation="crop_flip"))
    torch.manual_seed(77)  # whatever happened in this process before
    two = run(make_training(shortcut=shortcut, augmentation="crop_flip"))
    assert same_bits(one, two)
    assert numbers(one.history) == numbers(two.history)
    other = run(make_training(shortcut=shortcut, augmentation="crop_flip", seed=1))
    assert numbers(one.history) != numbers(other.history)


def test_dropout_draws_anew_in_every_epoch_and_by_seed() -> None:
    """With the order of examples fixed by a single batch only dropout tells two seeds apart."""
    losses = [
        [row.train_loss for row in run(make_training(shortcut=shortcut, batch_size=96, seed=seed)).history]
        for shortcut in ("identity", "dropout")
        for seed in (0, 1)
    ]
    assert losses[0][0] == pytest.approx(losses[1][0], rel=1e-5)
    assert losses[2][0] != pytest.approx(losses[3][0], rel=1e-3)


def test_global_random_numbers_are_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    run(make_training(shortcut="dropout", augmentation="crop_flip", epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_step_is_sgd_with_momentum_and_decay_by_hand() -> None:
    """Two steps on one batch, against the update rule written out: no Nesterov, decay on every parameter."""
    splits = make_splits(train_examples=40)
    training = make_training(splits=splits, epochs=2, batch_size=64, schedule="constant", learning_rate=0.05)
    twin = make_digits_network()
    twin.train()
    velocity = {name: torch.zeros_like(p) for name, p in twin.named_parameters()}
    run(training)
    for _ in range(2):
        images = splits.train.normalize(splits.train.images)
        loss = functional.cross_entropy(twin(images), splits.train.labels)
        gradients = torch.autograd.grad(loss, list(twin.parameters()))
        with torch.no_grad():
            for (name, parameter), gradient in zip(twin.named_parameters(), gradients, strict=True):
                velocity[name] = 0.9 * velocity[name] + gradient + 1e-4 * parameter
                parameter.sub_(0.05 * velocity[name])
    ours = dict(training.network.named_parameters())
    for name, parameter in twin.named_parameters():
        assert torch.allclose(ours[name], parameter, rtol=1e-3, atol=1e-5), name


def test_the_rate_is_the_schedule_s_by_iteration() -> None:
    arguments = {"milestones": (0.5,), "warmup_iterations": 2, "warmup_learning_rate": 0.02, "decay_factor": 0.5}
    training = make_training(schedule={"name": "steps", **arguments})
    rates: list[float] = []
    step = training.optimizer.step
    training.optimizer.step = lambda *args: (
        rates.append(float(training.optimizer.param_groups[0]["lr"])),
        step(*args),
    )[1]
    run(training)
    assert training.steps_per_epoch == 3
    assert rates == pytest.approx([0.02] * 2 + [0.1] * 4 + [0.05] * 6, rel=1e-15)
    assert [row.learning_rate for row in training.history] == rates[2::3]


@pytest.mark.parametrize(
    ("examples", "batch_size", "steps"), [(96, 32, 3), (97, 32, 3), (98, 32, 4), (96, 200, 1), (2, 2, 1), (3, 2, 1)]
)
def test_steps_per_epoch_leave_out_a_last_batch_of_one(examples: int, batch_size: int, steps: int) -> None:
    splits = make_splits(train_examples=None)
    training = make_training(train=splits.train.take(slice(examples)), batch_size=batch_size, epochs=1)
    assert training.steps_per_epoch == steps
    seen: list[int] = []
    training.network.register_forward_pre_hook(
        lambda module, inputs: seen.append(len(inputs[0])) if module.training else None
    )
    training.run_epoch()
    assert len(seen) == steps
    assert min(seen) >= 2


def test_every_example_is_seen_once_an_epoch_in_another_order() -> None:
    training = make_training(epochs=2)
    batches: list[torch.Tensor] = []
    training.network.register_forward_pre_hook(
        lambda module, inputs: batches.append(inputs[0].clone()) if module.training else None
    )
    run(training)
    first, second = torch.cat(batches[:3]).flatten(1), torch.cat(batches[3:]).flatten(1)
    assert not torch.equal(first, second)
    assert sorted(first.tolist()) == sorted(second.tolist())


@pytest.mark.parametrize("learning_rate", [1e6, 1e30])
def test_divergence_ends_the_training(learning_rate: float) -> None:
    training = run(make_training(learning_rate=learning_rate, schedule="constant", epochs=50))
    assert training.diverged
    assert training.done
    assert training.epoch < 50


def test_a_last_step_that_breaks_the_network_is_divergence() -> None:
    """The training loss was taken before the step, so it is finite."""
    training = make_training(learning_rate=1e38, schedule="constant", epochs=1, batch_size=128)
    row = training.run_epoch()
    assert math.isfinite(row.train_loss)
    assert not math.isfinite(row.val_loss)
    assert training.diverged


def test_it_is_the_same_without_images_that_are_held_out() -> None:
    splits = make_splits()
    measured, alone = run(make_training(splits=splits)), run(make_training(splits=splits, val=None))
    assert same_bits(measured, alone)
    assert [(row.val_loss, row.val_error) for row in alone.history] == [(None, None)] * 4
    assert not alone.diverged


def test_a_last_step_that_breaks_the_network_is_divergence_without_them_too() -> None:
    training = make_training(val=None, learning_rate=1e38, schedule="constant", epochs=1, batch_size=128)
    assert math.isfinite(training.run_epoch().train_loss)
    assert training.divergence == "loss nan of training examples after epoch 1"


def test_a_training_that_has_not_begun_has_not_diverged() -> None:
    training = make_training()
    assert not training.diverged
    assert not training.done
    assert training.epoch == 0


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("schedule", "step", "unknown schedule 'step'; did you mean 'steps'"),
        ("augmentation", "flop", "unknown augmentation 'flop'; did you mean 'flip'"),
        ("regularizer", "orthogonal", "unknown regularizer 'orthogonal'; did you mean 'orthogonal_penalty'"),
        ("optimizer", "adam", "unknown optimizer 'adam'; did you mean 'adamw'"),
        ("block_sampling", "fixed", r"unknown block_sampling 'fixed'.*known: all, stochastic_depth, fixed_count"),
    ],
)
def test_unknown_names_are_refused(field: str, value: str, message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        make_training(**{field: value})


def test_evaluation_is_the_mean_over_examples_in_eval_mode() -> None:
    examples = make_examples(EVALUATION_BATCH + 7)
    network = make_network().train()
    modes = [module.training for module in network.modules()]
    state = {name: value.clone() for name, value in network.state_dict().items()}
    found = evaluate(network, examples)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    with torch.no_grad():
        logits = network.eval()(examples.images)
    assert found.loss == pytest.approx(float(functional.cross_entropy(logits, examples.labels)), rel=1e-12)
    assert found.error == pytest.approx(float((logits.argmax(1) != examples.labels).double().mean()), rel=1e-12)


def test_every_module_s_own_mode_comes_back() -> None:
    network = make_network().train()
    network.chain[1].eval()
    modes = [module.training for module in network.modules()]
    with pytest.raises(RuntimeError, match="inside"), evaluation_mode(network):
        assert not any(module.training for module in network.modules())
        raise RuntimeError("inside")
    assert [module.training for module in network.modules()] == modes


def test_kernels_are_deterministic_in_steps_and_evaluations() -> None:
    def kernels() -> tuple[bool, bool]:
        return torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark

    before = kernels()
    training = make_training(epochs=1)
    seen: dict[str, set[tuple[bool, bool]]] = {"step": set(), "backward": set(), "evaluation": set()}
    training.network.register_forward_pre_hook(
        lambda module, inputs: seen["step" if module.training else "evaluation"].add(kernels())
    )
    next(training.network.parameters()).register_hook(lambda gradient: seen["backward"].add(kernels()))
    training.run_epoch()
    assert seen == {"step": {(True, False)}, "backward": {(True, False)}, "evaluation": {(True, False)}}
    assert kernels() == before


@pytest.mark.parametrize(
    ("optimizer", "kind"), [("sgd", torch.optim.SGD), ({"name": "adamw", "beta1": 0.8}, torch.optim.AdamW)]
)
def test_an_optimizer_is_a_component(optimizer: Any, kind: type[torch.optim.Optimizer]) -> None:
    training = make_training(optimizer=optimizer, learning_rate=0.01)
    assert type(training.optimizer) is kind
    assert [group["lr"] for group in training.optimizer.param_groups] == [0.01]
    if kind is torch.optim.AdamW:
        assert training.optimizer.param_groups[0]["betas"] == (0.8, 0.999)
    history = run(training).history
    assert history[-1].train_loss < history[0].train_loss
    one_seed, other = (run(make_training(optimizer=optimizer, learning_rate=0.01, seed=seed)) for seed in (0, 1))
    assert same_bits(training, one_seed)
    assert not same_bits(training, other)


def test_a_record_of_a_component_is_one_too() -> None:
    """What a spec holds once it is checked: every argument, defaults included."""
    by_name = make_training(optimizer="sgd", schedule="steps")
    checked = check_trial(small_spec(schedule="steps"))
    assert checked.optimizer.defaults
    assert same_bits(run(by_name), run(make_training(optimizer=checked.optimizer, schedule=checked.schedule)))


def test_the_validation_error_is_the_network_s_after_the_epoch() -> None:
    training = make_training(epochs=1)
    row = training.run_epoch()
    found = evaluate(training.network, make_splits().val)
    assert (row.val_error, row.val_loss) == (found.error, found.loss)


def test_the_penalty_is_trained_and_not_reported() -> None:
    def weights(training: Training) -> float:
        assert isinstance(training.network, ResidualNetwork)
        layers = [m.weight.flatten(1) for m in training.network.modules() if isinstance(m, nn.Conv2d)]
        grams = [w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w for w in layers]
        return sum(float((g - torch.eye(len(g))).square().sum().detach()) for g in grams)

    plain = run(make_training())
    penalized = run(make_training(regularizer={"name": "orthogonal_penalty", "strength": 0.1, "target": 1.0}))
    assert weights(penalized) < 0.3 * weights(plain)
    # The first batch of the first epoch is met before any step, so both report the same cross-entropy there.
    first = [
        make_training(regularizer=regularizer, epochs=1, batch_size=96).run_epoch().train_loss
        for regularizer in ("none", {"name": "orthogonal_penalty", "strength": 10.0})
    ]
    assert first[0] == first[1]


def test_no_strength_is_no_regularizer() -> None:
    assert same_bits(
        run(make_training()), run(make_training(regularizer={"name": "orthogonal_penalty", "strength": 0.0}))
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"schedule": {"name": "steps", "mileston": [0.1]}},
        {"optimizer": {"name": "adamw", "momentum": 0.9}},
        {"augmentation": {"name": "flip", "padding": 1}},
        {"regularizer": {"name": "orthogonal_penalty", "frequency": 0.5}},
        {"block_sampling": {"name": "stochastic_depth", "count": 2}},
    ],
)
def test_an_argument_that_the_row_does_not_take_is_refused(changed: dict[str, dict[str, Any]]) -> None:
    ((field, component),) = changed.items()
    argument = list(component)[1]
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{argument}'"):
        make_training(**changed).run_epoch()
    assert field in {"schedule", "optimizer", "augmentation", "regularizer", "block_sampling"}


def test_exactly_so_many_blocks_train_in_a_batch() -> None:
    training = make_training(block_sampling={"name": "fixed_count", "count": 1})
    draws = [BLOCK_SAMPLINGS["fixed_count"].draw([1 / 3] * 3, make_generator(seed)) for seed in range(30)]
    assert {routes.count(Route.BOTH) for routes in draws} == {1}
    assert {routes.index(Route.BOTH) for routes in draws} == {0, 1, 2}
    assert [block.survival for block in training.network.chain] == [1 / 3] * 3
    run(training)


def test_stochastic_depth_keeps_blocks_by_linear_decay_and_scales_them_at_test_time() -> None:
    training = make_training(block_sampling="stochastic_depth")
    survival = [block.survival for block in training.network.chain]
    assert survival == pytest.approx([5 / 6, 4 / 6, 3 / 6])
    draws = make_generator()
    kept = [BLOCK_SAMPLINGS["stochastic_depth"].draw(survival, draws) for _ in range(2000)]
    shares = [sum(routes[block] is Route.BOTH for routes in kept) / 2000 for block in range(3)]
    assert shares == pytest.approx(survival, abs=0.05)
    block = training.network.chain[0].eval()
    x = torch.randn(2, 4, 8, 8)
    carried, added = block.sides(x)
    assert torch.equal(block(x), block.after_add(carried + survival[0] * added))
    assert torch.equal(block.train().addends(x).added, block.sides(x).added)


def test_a_run_stops_at_its_last_iteration() -> None:
    training = run(make_training(epochs=4, iterations=5))  # three steps in an epoch
    assert training.steps_per_epoch == 3
    assert training.total_steps == 5
    assert training.epoch == 2


def test_only_weights_are_decayed() -> None:
    decayed = make_training(optimizer={"name": "sgd", "weight_decay": 0.5, "weight_decay_on": "convolutions"})
    groups = {group["weight_decay"]: group["params"] for group in decayed.optimizer.param_groups}
    assert {parameter.ndim for parameter in groups[0.5]} == {2, 4}
    assert {parameter.ndim for parameter in groups[0.0]} == {1}
    looking_ahead = make_training(optimizer={"name": "sgd", "nesterov": True})
    assert numbers(run(looking_ahead).history) != numbers(run(make_training()).history)
