"""Squares cut from images: against torchvision, and what is random about them."""

import random

import numpy as np
import pytest
import torch
import torchvision.transforms as reference
from PIL import Image

from resablate.datasets.views import VIEWS, center, scale, scale_aspect


def ramp(width: int, height: int) -> Image.Image:
    """Red tells the column and green the row, both from 0 to 255."""
    columns, rows = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([columns, rows, 0 * rows], axis=2).round().astype(np.uint8))


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("size", [(500, 375), (375, 501), (64, 64), (33, 200), (1000, 20), (256, 256)])
@pytest.mark.parametrize(("crop", "shorter"), [(224, 256), (320, 366), (32, 37)])
def test_center_is_torchvision_s_bit_for_bit(size: tuple[int, int], crop: int, shorter: int) -> None:
    image = noise(*size)
    theirs = reference.Compose([reference.Resize(shorter), reference.CenterCrop(crop)])(image)
    assert np.array_equal(np.array(center(image, crop, random.Random(0))), np.array(theirs))


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (300, 90), (120, 400), (8, 8)])
@pytest.mark.parametrize("name", VIEWS)
def test_a_view_is_a_square_that_its_draws_decide(name: str, size: tuple[int, int]) -> None:
    image = noise(*size)
    first, again, other = (np.array(VIEWS[name](image, 56, random.Random(seed))) for seed in (1, 1, 2))
    assert first.shape == (56, 56, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def spans(view: np.ndarray) -> tuple[float, float]:
    """Width and height that were cut from a ramp, as parts of the whole."""
    pixels = view.astype(float)
    return (pixels[0, -1, 0] - pixels[0, 0, 0]) / 255, (pixels[-1, 0, 1] - pixels[0, 0, 1]) / 255


def test_scale_takes_every_size_from_256_to_480_and_every_place() -> None:
    image = ramp(448, 448)
    views = [np.array(scale(image, 224, random.Random(seed))) for seed in range(300)]
    widths = [spans(view)[0] for view in views]
    # 223 steps of a row of 256 to 480 pixels
    assert 0.46 < min(widths) < 0.475
    assert 0.86 < max(widths) < 0.88
    assert all(abs(width - height) < 0.02 for width, height in map(spans, views)), "the shape stays"
    assert torch.tensor(widths).histc(4, 0.46, 0.88).min() > 20
    lefts = [view[0, 0, 0] / 255 / (1 - width) for view, width in zip(views, widths, strict=True)]
    assert min(lefts) < 0.05
    assert max(lefts) > 0.95


def test_scale_aspect_takes_8_to_100_percent_at_3_to_4() -> None:
    image = ramp(400, 400)
    parts = [spans(np.array(scale_aspect(image, 64, random.Random(seed)))) for seed in range(500)]
    areas = [width * height for width, height in parts]
    aspects = [width / height for width, height in parts]
    assert 0.06 < min(areas) < 0.13
    assert 0.85 < max(areas) <= 1
    assert 0.68 < min(aspects) < 0.8
    assert 1.25 < max(aspects) < 1.45
    low, high = (sum(start < area <= start + 0.2 for area in areas) for start in (0.12, 0.32))
    assert abs(low - high) < 45, "uniform in area, where every shape fits; 115 each expected"


def test_scale_aspect_of_a_strip_is_its_middle() -> None:
    """No part of 8 % of its area has sides at 3:4."""
    view = np.array(scale_aspect(ramp(1000, 10), 10, random.Random(0)))
    assert abs(view[:, :, 0].mean() - 127.5) < 1.5
