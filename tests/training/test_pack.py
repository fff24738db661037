"""Packs of trainings: who is in one, who leaves, and what continues elsewhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from resablate.model import unpackable_parts
from resablate.model.packed_convolution import CONVOLUTION_WAYS
from resablate.model.packed_layers import PackedConvolution
from resablate.training import Pack, Packs, Training, resume, save_checkpoint
from tests.networks import make_generator
from tests.training.packs import largest_gap
from tests.training.runs import make_digits_network, make_splits, make_training, numbers, run

ONE_EPOCH = 1e-5
"""In single precision; sums of a batch in another order differ by 1e-7, and an epoch here has three steps."""


def members(count: int = 3, *, start: int = 0, **fields: Any) -> list[Training]:
    """Trainings that differ in seed, split, weights and rate."""
    return [
        make_training(
            make_digits_network(generator=make_generator(seed), shortcut=fields.get("shortcut", "identity")),
            splits=make_splits(seed=seed),
            seed=seed,
            **{"learning_rate": 0.05 * (seed + 1), **{k: v for k, v in fields.items() if k != "shortcut"}},
        )
        for seed in range(start, start + count)
    ]


def same_state(ours: Training, theirs: Training) -> bool:
    """Bit for bit, the history included."""
    mine, others = ours.tensors(), theirs.tensors()
    equal = mine.keys() == others.keys() and all(torch.equal(mine[name], others[name]) for name in mine)
    return equal and numbers(ours.history) == numbers(theirs.history)


def train(trainings: Sequence[Training], epochs: int) -> None:
    packs = Packs()
    for _ in range(epochs):
        packs.run_epoch(trainings)


@pytest.mark.parametrize("fields", [{}, {"augmentation": "crop_flip", "memory_format": "channels_last"}])
def test_an_epoch_in_single_precision(fields: dict[str, Any]) -> None:
    alone, packed = members(**fields), members(**fields)
    Pack(packed).run_epoch()
    for one, member in zip(alone, packed, strict=True):
        one.run_epoch()
        assert largest_gap(member, one) <= ONE_EPOCH
        assert (member.pack_size, one.pack_size) == (3, 1)


def test_bf16_runs_and_learns() -> None:
    """How close it comes depends on the processor: products of 8 bits round otherwise in each of its kernels."""
    packed = members(2, precision="bf16", learning_rate=0.1)
    train(packed, 4)
    for member in packed:
        assert member.history[-1].train_loss < 0.9 * member.history[0].train_loss
        assert all(value.dtype != torch.bfloat16 for value in member.tensors().values())


def test_what_a_member_computes_does_not_depend_on_the_others() -> None:
    """Bit for bit in packs of one size: groups of channels do not meet."""
    first, *_ = trio = members(3)
    train(trio, 2)
    again, *_ = others = [*members(1), *members(2, start=5)]
    train(others, 2)
    assert same_state(first, again)


def test_one_that_diverges_takes_no_other_with_it() -> None:
    wild = members(1, learning_rate=1e30)[0]
    calm, reference = members(2, start=1), members(3, start=1)
    train([wild, *calm], 1)
    assert wild.diverged
    train(reference, 1)
    assert all(same_state(one, other) for one, other in zip(calm, reference, strict=False))
    assert not any(member.diverged for member in calm)


def test_one_that_leaves_goes_on_alone_and_so_do_the_others() -> None:
    alone, packed = members(3), members(3)
    train(packed, 2)
    leaving, *staying = packed
    train(staying, 2)
    run(leaving)
    for one, member in zip(alone, packed, strict=True):
        run(one)
        assert member.done
        assert largest_gap(member, one) <= 1e-3, "rounding of 16 steps, which a network amplifies"
    assert [member.pack_size for member in packed] == [3, 3, 3]


def test_members_of_a_pack_of_two_end_as_ordinary_trainings() -> None:
    first, last = packed = members(2, learning_rate=0.05)
    train(packed, 2)
    train([last], 1)  # one epoch by itself
    assert last.pack_size == 2
    train(packed, 1)
    assert [len(member.history) for member in (first, last)] == [3, 4]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("shortcut", ["identity", "dropout"])
def test_an_interrupted_pack_continues_bit_for_bit(tmp_path: Path, shortcut: str, optimizer: str) -> None:
    fields: dict[str, Any] = {"shortcut": shortcut, "optimizer": optimizer, "augmentation": "crop_flip"}
    undisturbed = members(**fields)
    train(undisturbed, 4)
    interrupted = members(**fields)
    train(interrupted, 2)
    for number, member in enumerate(interrupted):
        save_checkpoint(tmp_path / str(number), member)
    continued = members(**fields)
    for number, member in enumerate(continued):
        resume(tmp_path / str(number), member)
    train(continued, 2)
    assert all(same_state(one, other) for one, other in zip(continued, undisturbed, strict=True))


def test_checkpoints_are_of_no_grouping(tmp_path: Path) -> None:
    """What trained in a pack goes on alone and in another pack, and what trained alone in a pack."""
    alone, packed, mixed = members(3), members(3), members(3)
    train(packed, 1)
    alone[2].run_epoch()
    for number, member in enumerate([*packed[:2], alone[2]]):
        save_checkpoint(tmp_path / str(number), member)
    for number, member in enumerate(mixed):
        resume(tmp_path / str(number), member)
        if number != 2:
            alone[number].run_epoch()
    mixed[0].run_epoch()
    train(mixed[1:], 1)
    for one, member in zip(alone, mixed, strict=True):
        one.run_epoch()
        assert largest_gap(member, one) <= 1e-4, "rounding of 6 steps"
    assert [member.pack_size for member in mixed] == [3, 3, 2]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_members_at_different_epochs(optimizer: str) -> None:
    alone, packed = (members(2, optimizer=optimizer, learning_rate=0.01) for _ in range(2))
    packed[0].run_epoch()
    train(packed, 2)
    run(packed[1])
    assert [member.epoch for member in packed] == [3, 4]
    packed[0].run_epoch()
    for one, member in zip(alone, packed, strict=True):
        run(one)
        assert largest_gap(member, one) <= 1e-3
        assert [row.learning_rate for row in member.history] == [row.learning_rate for row in one.history]


def test_a_last_epoch_that_is_cut_short_is_trained_apart() -> None:
    """One is in the middle of an epoch at its end, the others have a whole one before them."""
    alone, packed = (members(3, iterations=8, learning_rate=0.05) for _ in range(2))
    packed[0].run_epoch()
    packed[0].run_epoch()
    train(packed, 1)
    assert [member.pack_size for member in packed] == [1, 2, 2]
    assert [member.done for member in packed] == [True, False, False]
    train(packed[1:], 2)
    for one, member in zip(alone, packed, strict=True):
        run(one)
        assert len(member.history) == len(one.history) == 3
        assert largest_gap(member, one) <= 1e-3


def test_an_sgd_without_momentum_keeps_nothing() -> None:
    fields = [{"name": "sgd", "momentum": momentum} for momentum in (0.0, 0.9)]
    alone, packed = ([members(1, start=k, optimizer=fields[k])[0] for k in range(2)] for _ in range(2))
    Pack(packed).run_epoch()
    for one, member in zip(alone, packed, strict=True):
        one.run_epoch()
        assert largest_gap(member, one) <= ONE_EPOCH


def test_an_optimizer_that_has_no_joint_update_updates_each_member() -> None:
    alone, packed = members(2), members(2)
    for training in (*alone, *packed):
        training.optimizer.param_groups[0]["dampening"] = 0.5
    Pack(packed).run_epoch()
    for one, member in zip(alone, packed, strict=True):
        one.run_epoch()
        assert largest_gap(member, one) <= ONE_EPOCH


@pytest.mark.parametrize("way", CONVOLUTION_WAYS)
def test_every_way_to_convolve(way: str) -> None:
    alone, packed = members(2, shortcut="exclusive_gate"), members(2, shortcut="exclusive_gate")
    pack = Pack(packed)
    for layer in pack.network.modules():
        if isinstance(layer, PackedConvolution):
            layer.way = way
    pack.run_epoch()
    for one, member in zip(alone, packed, strict=True):
        one.run_epoch()
        assert largest_gap(member, one) <= ONE_EPOCH


def test_networks_of_two_shapes_are_no_pack() -> None:
    other = make_training(make_digits_network(width=2))
    with pytest.raises(ValueError, match="the networks of a pack must have one shape"):
        Pack([make_training(), other])


def test_what_no_pack_carries_out_is_refused_and_named() -> None:
    foreign: dict[str, Any] = {
        "mixing": "mixup",
        "clipping": {"name": "norm", "max_norm": 0.5},
        "averaging": "ema",
        "block_sampling": "stochastic_depth",
        "compile": True,
    }
    expected = [
        "compile: a network that is compiled trains alone",
        "mixing mixup: does not say that it packs",
        "clipping norm(max_norm=0.5): does not say that it packs",
        "averaging ema: does not say that it packs",
        "block_sampling stochastic_depth: each member leaves out blocks of its own",
    ]
    with pytest.raises(ValueError, match="does not say") as caught:
        Pack([make_training(), make_training(**foreign)])
    assert str(caught.value).split("; ") == expected


@pytest.mark.parametrize(
    ("field", "row"),
    [
        ("augmentation", "flip"),
        ("erasing", "cutout"),
        ("loss", {"name": "cross_entropy", "label_smoothing": 0.1}),
        ("precision", "bf16"),
        ("memory_format", "channels_last"),
    ],
)
def test_what_a_pack_does_for_all_must_be_one_choice(field: str, row: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field}: must be one for all members of a pack$"):
        Pack([make_training(), make_training(**{field: row})])


def test_a_part_that_is_not_known_is_named() -> None:
    network = make_digits_network()
    network.blocks[1].after_add = torch.nn.Sequential(torch.nn.GELU())
    assert unpackable_parts(network) == [
        "blocks.1.after_add.0: torch.nn.modules.activation.GELU is not known to be packable"
    ]
    with pytest.raises(ValueError, match="GELU is not known to be packable"):
        Pack([make_training(network), make_training(network)])
