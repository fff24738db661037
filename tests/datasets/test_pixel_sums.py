"""Sums of bytes are exact, whatever part they are made of."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from resablate.datasets import Examples, ImageDataset, Splits, split_dataset
from resablate.datasets.pixel_sums import PixelSums
from tests.networks import make_generator


def make_images(count: int = 2500, shape: tuple[int, int, int] = (3, 32, 32)) -> Tensor:
    """Several parts of what is summed at once, of uneven brightness."""
    images = torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=make_generator(3))
    images[:, 0] //= 3
    return images


def split(images: Tensor, **arguments: object) -> Splits:
    data = ImageDataset(images, torch.zeros(len(images), dtype=torch.int64), images[:5], torch.zeros(5).long())
    component = {"name": "digits", **arguments}
    return split_dataset(component, data, generator=make_generator(0), device=torch.device("cpu"))


@pytest.mark.parametrize("chosen", [None, torch.tensor([5]), torch.arange(0, 2500, 3)])
def test_they_are_those_of_whole_numbers(chosen: Tensor | None) -> None:
    images = make_images()
    found = PixelSums.of(images, chosen)
    whole = images.numpy().astype(np.int64) if chosen is None else images[chosen].numpy().astype(np.int64)
    assert found.images == len(whole)
    assert found.sums.tolist() == whole.sum(axis=0).tolist()
    assert found.squares.tolist() == (whole**2).sum(axis=(0, 2, 3)).tolist()


def test_what_is_left_out_subtracts_exactly() -> None:
    images = make_images()
    order = torch.randperm(len(images), generator=make_generator(1))
    left, rest = order[:2300], order[2300:]
    found, direct = PixelSums.of(images) - PixelSums.of(images, rest), PixelSums.of(images, left)
    assert found.images == direct.images
    assert torch.equal(found.sums, direct.sums)
    assert torch.equal(found.squares, direct.squares)


@pytest.mark.parametrize("train_examples", [None, 2000, 300])
@pytest.mark.parametrize("normalization", ["per_channel", "per_pixel"])
def test_normalization_is_that_of_double_precision(normalization: str, train_examples: int | None) -> None:
    splits = split(make_images(), normalization=normalization, train_examples=train_examples)
    train = splits.train
    assert isinstance(train, Examples)
    assert train.mean is not None
    assert train.std is not None
    values = train.images.double() / 255
    axes = (0, 2, 3) if normalization == "per_channel" else (0,)
    mean = values.mean(dim=axes)
    std = values.std(dim=axes) if normalization == "per_channel" else values.std()
    # One rounding to single precision (2^-24), and that of the sums in double precision that it is compared with.
    assert torch.allclose(train.mean.double().flatten(), mean.flatten(), rtol=2**-23, atol=0)
    assert torch.allclose(train.std.double().flatten(), std.flatten(), rtol=2**-23, atol=0)
    assert train.mean.dtype == train.std.dtype == torch.float32


def test_known_numbers() -> None:
    """Bytes 0 and 255 alternate: mean a half; the unbiased deviation of n such values is sqrt(n / (n - 1)) / 2."""
    images = torch.tensor([0, 255], dtype=torch.uint8).repeat(4 * 2 * 3).view(4, 2, 2, 3)
    sums = PixelSums.of(images)
    assert sums.channel_means().tolist() == [0.5, 0.5]
    assert sums.channel_deviations().tolist() == pytest.approx([math.sqrt(24 / 23) / 2] * 2, rel=2**-24)
    assert float(sums.deviation()) == pytest.approx(math.sqrt(48 / 47) / 2, rel=2**-24)


def test_one_value_has_no_deviation() -> None:
    sums = PixelSums.of(torch.full((1, 1, 1, 1), 9, dtype=torch.uint8))
    assert math.isnan(float(sums.deviation()))


def test_the_sums_over_all_images_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    images = make_images(200)
    data = ImageDataset(images, torch.zeros(200, dtype=torch.int64), images, torch.zeros(200).long())
    summed: list[int] = []
    of = PixelSums.of.__func__  # type: ignore[attr-defined]

    def counted(cls: type[PixelSums], images: Tensor, chosen: Tensor | None = None) -> PixelSums:
        summed.append(len(images) if chosen is None else len(chosen))
        return of(cls, images, chosen)

    monkeypatch.setattr(PixelSums, "of", classmethod(counted))
    for seed in range(3):
        split_dataset("digits", data, generator=make_generator(seed), device=torch.device("cpu"))
    assert sorted(summed) == [20, 20, 20, 200]
