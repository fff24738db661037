"""Rectangles in images, which a step finds without reading a number."""

import torch
from torch import Tensor


def inside(tops: Tensor, lefts: Tensor, bottoms: Tensor, rights: Tensor, images: Tensor) -> Tensor:
    """Which pixels of `images` (B, C, H, W) lie in a rectangle of each (B,), its last row and column left out.

    Returns:
        (B, 1, H, W), bool.
    """
    rows = torch.arange(images.shape[-2], device=images.device)
    columns = torch.arange(images.shape[-1], device=images.device)
    in_rows = (rows >= tops[:, None]) & (rows < bottoms[:, None])
    in_columns = (columns >= lefts[:, None]) & (columns < rights[:, None])
    return (in_rows[:, :, None] & in_columns[:, None, :])[:, None]
