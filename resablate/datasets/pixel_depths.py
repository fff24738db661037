"""Images of more than eight bits, as eight bits: Pillow's own conversion cuts off what is above 255."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

_SIXTEEN = ("I;16", "I;16B", "I;16L", "I;16N")
_SCALED_TO_SIXTEEN = ("PNG", "PPM")
"""Formats of which Pillow hands out gray values of 16 bits as whole numbers of 32."""


def as_rgb(image: Image) -> Image:
    """The image with eight bits for each of three colors; 16 bits and floats from 0 to 1 are scaled.

    Raises:
        ValueError: if its numbers have no known range.
    """
    if image.mode in _SIXTEEN or (image.mode == "I" and image.format in _SCALED_TO_SIXTEEN):
        return _gray(np.asarray(image).astype(np.float64) / 65535)
    if image.mode == "F":
        values = np.asarray(image).astype(np.float64)
        if not (values.min() >= 0 and values.max() <= 1):  # a NaN is neither
            raise ValueError(f"floats must lie from 0 to 1, got {values.min():g} to {values.max():g}")
        return _gray(values)
    if image.mode == "I":
        raise ValueError("whole numbers of 32 bits, whose white is not known; store 8 or 16 bits")
    return image.convert("RGB")


def _gray(values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Image:
    from PIL import Image

    return Image.fromarray(np.rint(255 * values).astype(np.uint8)).convert("RGB")
