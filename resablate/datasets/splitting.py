"""Which training images are trained on, and which are held out."""

from __future__ import annotations

import torch
from torch import Tensor


def split_sizes(available: int, *, val_fraction: float, train_examples: int | None) -> tuple[int, int]:
    """How many of `available` training images are held out, and how many are left to train on.

    At least one is held out, unless the fraction is 0.
    """
    used = min(available, train_examples or available)
    held_out = max(1, round(used * val_fraction)) if val_fraction else 0
    return held_out, used - held_out


def split_order(
    available: int, *, val_fraction: float, train_examples: int | None, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Indices of the images to train on, and of those held out, drawn by `generator`.

    Args:
        available: training images that there are.
        val_fraction: share of the used ones that is held out; at least one image, none at 0.
        train_examples: use only so many, the held-out ones included; all where None.
        generator: decides which.
    """
    order = torch.randperm(available, generator=generator)[:train_examples]
    held_out, _ = split_sizes(available, val_fraction=val_fraction, train_examples=train_examples)
    return order[held_out:], order[:held_out]
