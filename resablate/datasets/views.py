"""From an image of any size to the square that a network sees.

A view takes an RGB image, the sides of the square in pixels, and the source of its random choices.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

View = Callable[["Image", int, random.Random], "Image"]

_BILINEAR = 2
"""PIL.Image.Resampling.BILINEAR: who trains on images in memory needs no Pillow."""
_CROP = 224
"""Sides for which the papers state sizes; other crops scale them."""
_RESIZED = 256
"""Shorter side of a test image, at a crop of 224."""
_SHORTEST, _LONGEST = 256, 480
"""Range of the shorter side in `scale`, at a crop of 224."""
_AREA = (0.08, 1.0)
_ASPECT = (3 / 4, 4 / 3)
_ATTEMPTS = 10


def center(image: Image, crop: int, draw: random.Random) -> Image:
    """The shorter side at 256/224 of `crop`, and the middle of that; nothing is random.

    Source: Krizhevsky et al. 2012 for 256 and 224; the same proportion at other crops. He et al. 2016, Table 5, tested
        one crop of 320 likewise.
    """
    return _middle(_resized(image, round(crop * _RESIZED / _CROP)), crop)


def scale(image: Image, crop: int, draw: random.Random) -> Image:
    """The shorter side at random from 256 to 480 (at a crop of 224), and a random crop of that.

    Source: He et al., arXiv 1512.03385, section 3.4, after Simonyan & Zisserman, arXiv 1409.1556.
    """
    shorter = draw.randint(round(crop * _SHORTEST / _CROP), round(crop * _LONGEST / _CROP))
    resized = _resized(image, shorter)
    left, top = draw.randint(0, resized.width - crop), draw.randint(0, resized.height - crop)
    return resized.crop((left, top, left + crop, top + crop))


def scale_aspect(image: Image, crop: int, draw: random.Random) -> Image:
    """A random 8 to 100 % of the image's area with sides at 3:4 to 4:3, made a square; its middle if none fits.

    Source: Szegedy et al., arXiv 1409.4842, section 6; He et al. 2016, Table 5, last rows.
    """
    for _ in range(_ATTEMPTS):
        area = image.width * image.height * draw.uniform(*_AREA)
        aspect = math.exp(draw.uniform(*map(math.log, _ASPECT)))
        width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < width <= image.width and 0 < height <= image.height:
            left, top = draw.randint(0, image.width - width), draw.randint(0, image.height - height)
            part = image.crop((left, top, left + width, top + height))
            return part.resize((crop, crop), _BILINEAR)
    return _middle(_resized(image, crop), crop)


VIEWS: Mapping[str, View] = {"scale": scale, "scale_aspect": scale_aspect}
"""The augmentations that are done image by image, before there is a batch."""


def _resized(image: Image, shorter: int) -> Image:
    """`image` with its shorter side at `shorter` pixels."""
    longer = int(shorter * max(image.size) / min(image.size))
    size = (shorter, longer) if image.width <= image.height else (longer, shorter)
    return image.resize(size, _BILINEAR)


def _middle(image: Image, crop: int) -> Image:
    left, top = round((image.width - crop) / 2), round((image.height - crop) / 2)
    return image.crop((left, top, left + crop, top + crop))
