"""Loss, clipping, averages, mixing, and blocks that are not drawn, against public definitions."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from resablate.augmentations import Mixed
from resablate.augmentations.cutmix import CutMix
from resablate.augmentations.mixup import Mixup
from resablate.check import check_trial
from resablate.errors import CheckpointError
from resablate.pack_size import unpackable
from resablate.training import resume, save_checkpoint
from resablate.training.averaging import AveragedWeights
from resablate.training.clipping import limit_of
from resablate.training.losses import mean_loss, mean_losses, mixed_loss
from tests.networks import make_generator, make_network
from tests.training.runs import make_digits_network, make_training, run, same_bits, small_spec


def logits_and_labels() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(6, 5, generator=make_generator(), dtype=torch.float64), torch.tensor([0, 4, 2, 2, 1, 3])


def test_a_smoothed_label_is_spread_over_all_classes() -> None:
    """Szegedy et al.: q = (1 - e) of the label + e / K of each class."""
    logits, labels = logits_and_labels()
    targets = 0.9 * functional.one_hot(labels, 5).double() + 0.1 / 5
    expected = -(targets * logits.log_softmax(1)).sum(1).mean()
    smoothed = {"name": "cross_entropy", "label_smoothing": 0.1}
    assert torch.allclose(mean_loss(smoothed)(logits, labels), expected, rtol=1e-12)
    both = mean_losses(smoothed)(torch.stack([logits, 2 * logits], 1), torch.stack([labels, labels], 1))
    assert torch.allclose(both[0], expected, rtol=1e-12)
    assert not torch.allclose(both[1], expected)


def test_the_loss_of_mixtures_is_that_of_mixed_labels() -> None:
    """Zhang et al.: cross-entropy with the mixed one-hot labels, which is linear in them."""
    logits, labels = logits_and_labels()
    mixed = Mixed(torch.empty(0), torch.tensor([3, 0, 1, 5, 4, 2]), torch.tensor(0.3, dtype=torch.float64))
    targets = (
        0.3 * functional.one_hot(labels, 5).double() + 0.7 * functional.one_hot(labels[mixed.partners], 5).double()
    )
    expected = functional.cross_entropy(logits, targets)
    assert torch.allclose(mixed_loss(mean_loss("cross_entropy"), logits, labels, mixed), expected, rtol=1e-12)


def test_mixup_by_hand() -> None:
    images = torch.randn(5, 2, 4, 4, generator=make_generator())
    draws = Mixup(alpha=0.4).draw(5, make_generator(1))
    mixed = Mixup(alpha=0.4).apply(images, draws)
    share = float(mixed.share)
    assert sorted(mixed.partners.tolist()) == list(range(5))
    for place, partner in enumerate(mixed.partners.tolist()):
        assert torch.allclose(mixed.images[place], share * images[place] + (1 - share) * images[partner])


def test_shares_are_beta_distributed() -> None:
    """Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1)); 2,000 draws err by about 2 % of the standard deviation."""
    draws = make_generator()
    shares = torch.stack([Mixup(alpha=0.2).draw(2, draws)[0][0] for _ in range(2000)])
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.04)
    assert float(shares.var()) == pytest.approx(1 / (4 * 1.4), rel=0.1)


def test_cutmix_by_hand() -> None:
    """Pixels of the rectangle are the partner's, all others the image's own; the share is that of the pixels."""
    images = torch.randn(6, 1, 8, 10, generator=make_generator())
    row = CutMix(probability=1.0)
    sizes: set[int] = set()
    for seed in range(12):
        mixed = row.apply(images, row.draw(6, make_generator(seed)))
        of_partner = (mixed.images != images).any(0)[0]
        rows, columns = of_partner.any(1).sum(), of_partner.any(0).sum()
        assert int(of_partner.sum()) == int(rows * columns), "a rectangle"
        assert torch.equal(mixed.images[:, :, of_partner], images[mixed.partners][:, :, of_partner])
        moved = mixed.partners != torch.arange(6)
        if moved.any():
            assert float(mixed.share) == pytest.approx(1 - int(of_partner.sum()) / 80)
        sizes.add(int(of_partner.sum()))
    assert len(sizes) > 4
    never = [CutMix(probability=0.5).draw(6, make_generator(seed))[0][0] == 1 for seed in range(60)]
    assert 15 < sum(map(bool, never)) < 45


@pytest.mark.parametrize("largest", [0.5, 100.0])
def test_gradients_are_limited_in_norm(largest: float) -> None:
    layer = nn.Linear(3, 4)
    for parameter in layer.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=make_generator())
    before = torch.cat(
        [parameter.grad.flatten().clone() for parameter in layer.parameters() if parameter.grad is not None]
    )
    limit = limit_of({"name": "norm", "max_norm": largest})
    assert limit is not None
    limit(layer.parameters())
    after = torch.cat([p.grad.flatten() for p in layer.parameters() if p.grad is not None])
    assert torch.allclose(after, before * min(1.0, largest / float(before.norm())), rtol=1e-5)


def test_a_clipped_step_is_a_short_one() -> None:
    """Plain SGD moves by the rate times the gradient, whose norm is limited."""
    plain = {"name": "sgd", "momentum": 0.0, "weight_decay": 0.0}
    training = make_training(
        optimizer=plain, clipping={"name": "norm", "max_norm": 0.01}, schedule="constant", iterations=1
    )
    before = [parameter.detach().clone() for parameter in training.network.parameters()]
    training.run_epoch()
    after = list(training.network.parameters())
    moved = math.sqrt(sum(float((a - b).detach().square().sum()) for a, b in zip(after, before, strict=True)))
    assert moved == pytest.approx(0.1 * 0.01, rel=1e-3)


def test_the_average_is_torch_s() -> None:
    network = make_network(dtype=torch.float32)
    ours = AveragedWeights(network, {"name": "ema", "decay": 0.7})
    theirs = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.7), use_buffers=True)
    draws = make_generator()
    with ours.of_steps(), torch.no_grad():
        for _ in range(5):
            for tensor in network.state_dict().values():
                if tensor.is_floating_point():
                    tensor.add_(torch.randn(tensor.shape, generator=draws))
            ours.add_step()
            theirs.update_parameters(network)
        last = {name: value.clone() for name, value in network.state_dict().items()}
    expected = {name.removeprefix("module."): value for name, value in theirs.state_dict().items()}
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(value, expected[name], rtol=1e-5, atol=1e-6), name
            assert not torch.equal(value, last[name])


def test_an_average_does_not_change_the_training() -> None:
    plain, averaged = make_training(), make_training(averaging={"name": "ema", "decay": 0.5})
    run(plain)
    run(averaged)
    assert [row.train_loss for row in plain.history] == [row.train_loss for row in averaged.history]
    assert [row.val_loss for row in plain.history] != [row.val_loss for row in averaged.history]
    last = {n.removeprefix("averaging.last."): t for n, t in averaged.tensors().items() if ".last." in n}
    assert last
    for name, value in last.items():
        assert torch.equal(value, plain.network.state_dict()[name])


def test_a_checkpoint_without_its_average_is_passed_over(tmp_path: Path) -> None:
    training = make_training()
    training.run_epoch()
    save_checkpoint(tmp_path, training)
    with pytest.raises(CheckpointError, match="missing, but weights are averaged"):
        resume(tmp_path, make_training(averaging="ema"))


@pytest.mark.parametrize("undrawn", ["decay", "keep"])
def test_a_block_that_is_not_drawn(undrawn: str) -> None:
    """Huang et al.'s optimizer runs over all parameters: w - r d w of a block that no batch trains, else w."""
    sampling = {"name": "fixed_count", "count": 1, "undrawn": undrawn}
    optimizer = {"name": "sgd", "momentum": 0.0, "weight_decay": 0.01}
    network = make_digits_network()
    before = [[p.detach().clone() for p in block.parameters()] for block in network.chain]
    training = make_training(network, block_sampling=sampling, optimizer=optimizer, iterations=1, schedule="constant")
    training.run_epoch()
    factor = 1 - 0.1 * 0.01 if undrawn == "decay" else 1.0
    still = [
        all(torch.allclose(p, factor * b, rtol=1e-6, atol=0) for p, b in zip(block.parameters(), old, strict=True))
        for block, old in zip(network.chain, before, strict=True)
    ]
    assert sum(still) == 2, "two of three blocks"


def test_all_blocks_train_as_before() -> None:
    everything = {"name": "fixed_count", "count": 3}
    assert same_bits(run(make_training()), run(make_training(block_sampling=everything)))


@pytest.mark.parametrize(
    "fields",
    [
        {"mixing": "mixup"},
        {"mixing": "cutmix"},
        {"averaging": "ema"},
        {"clipping": "norm"},
        {"norm": {"name": "batch", "ghost_batch_size": 16}},
        {"shortcut": "stochastic_shortcut"},
        {"network": {"name": "resnet", "block": "bottleneck", "cardinality": 2}, "depth": 11},
    ],
    ids=str,
)
def test_what_cannot_be_packed_names_itself(fields: dict[str, object]) -> None:
    why = unpackable(check_trial(small_spec(**fields)))
    assert next(iter(fields)) in why or "convolution of another kind" in why or "Ghost" in why


@pytest.mark.parametrize(
    "fields",
    [
        {"loss": {"name": "cross_entropy", "label_smoothing": 0.1}},
        {"erasing": "cutout"},
        {"augmentation": {"name": "crop", "fill": "black"}},
        {"norm": {"name": "group", "groups": 2}},
        {"norm": "layer"},
        {"norm": "bias", "initialization": "fixup", "ordering": "fixup"},
        {"shortcut": "skip_init", "norm": "none"},
        {"optimizer": "muon"},
    ],
    ids=str,
)
def test_what_can_be_packed(fields: dict[str, object]) -> None:
    assert unpackable(check_trial(small_spec(**fields))) == ""
