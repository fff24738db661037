import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional as transforms

from resablate.augmentations import AUGMENTATIONS
from resablate.augmentations.crop import Crop
from resablate.augmentations.crop_flip import CropFlip
from resablate.augmentations.cutout import Cutout
from resablate.augmentations.flip import Flip
from resablate.augmentations.none import Keep
from resablate.augmentations.random_erasing import RandomErasing
from resablate.datasets import Examples
from resablate.errors import UnknownName
from resablate.training.changes import BatchChanges
from tests.networks import make_generator


def make_images(count: int = 5, channels: int = 2, height: int = 6, width: int = 7) -> Tensor:
    """Every value of every image is different and none is zero."""
    return torch.arange(1, 1 + count * channels * height * width).view(count, channels, height, width).float()


def crop_by_loop(images: Tensor, generator: torch.Generator, padding: int) -> Tensor:
    """Pixel by pixel, with the same draws: rows first, then columns."""
    count, channels, height, width = images.shape
    offsets = torch.randint(2 * padding + 1, (2, count, 1), generator=generator)[..., 0].tolist()
    out = torch.zeros_like(images)
    for b in range(count):
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    row, column = i + offsets[0][b] - padding, j + offsets[1][b] - padding
                    if 0 <= row < height and 0 <= column < width:
                        out[b, c, i, j] = images[b, c, row, column]
    return out


@pytest.mark.parametrize("padding", [1, 4, 9])
def test_crop_is_the_loop(padding: int) -> None:
    images = make_images()
    cropped = Crop(padding=padding)(images, generator=make_generator(3))
    assert torch.equal(cropped, crop_by_loop(images, make_generator(3), padding))
    assert not torch.equal(cropped, images)


def test_crop_reaches_every_shift_equally_often() -> None:
    """A single lit pixel in the middle goes to each of the 25 places that 2 pixels of padding allow."""
    images = torch.zeros(5000, 1, 9, 9)
    images[:, :, 4, 4] = 1
    places = Crop(padding=2)(images, generator=make_generator()).sum((0, 1))
    assert torch.equal(places.nonzero().aminmax(dim=0).min, torch.tensor([2, 2]))
    assert torch.equal(places.nonzero().aminmax(dim=0).max, torch.tensor([6, 6]))
    lit = places[2:7, 2:7]
    assert int(lit.min()) > 140  # 200 expected, s.d. 14
    assert int(lit.max()) < 260


def test_flip_mirrors_about_half() -> None:
    images = make_images(1000, 1, 2, 3)
    flipped = Flip()(images, generator=make_generator())
    same = (flipped == images).flatten(1).all(1)
    mirrored = (flipped == images.flip(-1)).flatten(1).all(1)
    assert torch.equal(same, ~mirrored)
    assert 430 < int(mirrored.sum()) < 570


def test_flip_preserves_values() -> None:
    images = make_images()
    assert torch.equal(Flip()(images, generator=make_generator(1)).sort().values, images.sort().values)


def test_crop_flip_is_crop_then_flip() -> None:
    images, one, two = make_images(), make_generator(5), make_generator(5)
    expected = Flip()(Crop(padding=2)(images, generator=two), generator=two)
    assert torch.equal(CropFlip(padding=2)(images, generator=one), expected)


def test_none_keeps_everything() -> None:
    images = make_images()
    assert Keep()(images, generator=make_generator()) is images


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_shape_and_type_stay_and_the_input_is_not_written_to(name: str) -> None:
    images = make_images(3, 1, 5, 5).double()
    before = images.clone()
    changed = AUGMENTATIONS[name]()(images, generator=make_generator())
    assert changed.shape == images.shape
    assert changed.dtype == images.dtype
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_generator_alone_decides(name: str) -> None:
    images = make_images()
    torch.manual_seed(0)
    state = torch.get_rng_state()
    one = AUGMENTATIONS[name]()(images, generator=make_generator(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one, AUGMENTATIONS[name]()(images, generator=make_generator(2)))
    if name != "none":
        others = [AUGMENTATIONS[name]()(images, generator=make_generator(seed)) for seed in range(3, 6)]
        assert any(not torch.equal(one, other) for other in others)


def test_a_reflected_border_is_the_image_mirrored() -> None:
    images = make_images()
    height, width = images.shape[2:]
    shifts = torch.randint(5, (2, len(images), 1), generator=make_generator(3))[..., 0].tolist()
    cropped = Crop(padding=2, fill="reflect")(images, generator=make_generator(3))
    for place, image in enumerate(images):
        rows = [_mirrored(row + shifts[0][place] - 2, height) for row in range(height)]
        columns = [_mirrored(column + shifts[1][place] - 2, width) for column in range(width)]
        assert torch.equal(cropped[place], image[:, rows][:, :, columns])
    assert bool((cropped > 0).all()), "no zero moves in"


def _mirrored(index: int, count: int) -> int:
    return abs(index) if index < count else 2 * (count - 1) - index


def test_a_fill_in_no_table_is_answered_with_the_rows() -> None:
    with pytest.raises(UnknownName, match=r"^unknown crop_fill 'mirror' .known: zero, black, reflect"):
        Crop(fill="mirror")


def test_the_arguments_of_the_rows() -> None:
    cropping = {"padding": 4, "fill": "zero"}
    assert {name: dict(AUGMENTATIONS.arguments(name)) for name in AUGMENTATIONS} == {
        "none": {},
        "flip": {},
        "crop": cropping,
        "crop_flip": cropping,
        "scale": {},
        "scale_aspect": {},
    }
    assert all(AUGMENTATIONS.types(name).keys() == AUGMENTATIONS.arguments(name).keys() for name in AUGMENTATIONS)


# --- erasing and black


def test_cutout_by_hand() -> None:
    """DeVries & Taylor: a square of `length` around a pixel, cut off at the border; all else as it was."""
    images = make_images(40, 1, 9, 7)
    row = Cutout(length=4)
    (middles,) = row.draw(40, make_generator(3))
    erased = row.apply(images, [middles])
    for image, after, (down, right) in zip(images, erased, middles.tolist(), strict=True):
        y, x = int(down * 9), int(right * 7)
        expected = image.clone()
        expected[:, max(0, y - 2) : y + 2, max(0, x - 2) : x + 2] = 0
        assert torch.equal(after, expected)


def test_random_erasing_is_a_rectangle_of_the_areas_and_shapes_asked_for() -> None:
    images = torch.ones(300, 2, 32, 32)
    erased = RandomErasing()(images, generator=make_generator(1))[:, 0] == 0
    shares = erased.flatten(1).double().mean(1)
    assert 0.4 < float((shares > 0).double().mean()) < 0.6, "half of the images"
    assert 0.01 < float(shares[shares > 0].min())
    assert float(shares.max()) < 0.36, "0.33, and half a pixel more each way"
    heights, widths = (erased.any(axis).sum(1) for axis in (2, 1))
    assert torch.equal(heights * widths, erased.flatten(1).sum(1)), "rectangles"
    ratios = (heights / widths)[heights > 0].double()
    assert 0.2 < float(ratios.min()) < 0.6
    assert 1.7 < float(ratios.max()) < 4.5


def test_areas_are_in_order() -> None:
    with pytest.raises(ValueError, match="least_area must be at most largest_area, got 0"):
        RandomErasing(least_area=0.5)


@pytest.mark.parametrize("normalization", ["per_channel", "per_pixel"])
def test_black_is_padded_before_images_are_normalized(normalization: str) -> None:
    """A chain of torchvision's transforms: pad with 0, crop, to floats, normalize."""
    bytes_ = torch.randint(256, (6, 2, 5, 5), generator=make_generator(), dtype=torch.uint8)
    shape = (2, 1, 1) if normalization == "per_channel" else (2, 5, 5)
    mean, std = torch.rand(*shape, generator=make_generator(1)), torch.rand(2, 1, 1, generator=make_generator(2)) + 0.5
    examples = Examples(bytes_, torch.zeros(6, dtype=torch.int64), mean, std)
    changes = BatchChanges({"name": "crop", "padding": 2, "fill": "black"}, "none", "none", examples=examples)
    draws = changes.drawing(0, 0)(6)
    images, _ = changes.gather(torch.arange(6))
    ours = changes.apply(images, draws)
    for place, (top, left) in enumerate(draws[0].tolist()):
        padded = transforms.pad(bytes_[place], [2, 2, 2, 2], fill=0)
        cropped = transforms.crop(padded, top, left, 5, 5)
        assert torch.equal(ours[place], (cropped.float() / 255 - mean) / std)
