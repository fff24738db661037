"""What a training does with the images of a batch before its network sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import cast, final

import torch
from torch import Tensor

from resablate.augmentations import AUGMENTATIONS, ERASINGS, MIXINGS, Augmentation, Mixed, Mixing
from resablate.component import parse_choices
from resablate.datasets import Examples, ExampleSource
from resablate.model import ComponentLike
from resablate.registry import with_arguments
from resablate.training.determinism import derived_generator

Draws = Sequence[Tensor]


@final
class BatchChanges:
    """Augments, normalizes what is not yet, erases, and mixes; each by a generator of its own.

    Args:
        augmentation: a row of AUGMENTATIONS, by its name or with arguments.
        erasing: a row of ERASINGS, likewise.
        mixing: a row of MIXINGS, likewise.
        examples: that are trained on.

    Attributes:
        choices: field -> its row, of the three.
        source: the same examples, with pixels from 0 to 1 where they are augmented before they are normalized.
        each_alone: whether every image is changed by itself, and alike in every training.

    Raises:
        ValueError: if examples that are not in memory are to be augmented before they are normalized.
    """

    def __init__(
        self,
        augmentation: ComponentLike,
        erasing: ComponentLike,
        mixing: ComponentLike,
        *,
        examples: ExampleSource,
    ) -> None:
        self._augmentation: Augmentation = with_arguments(AUGMENTATIONS, augmentation)()
        self._erasing: Augmentation = with_arguments(ERASINGS, erasing)()
        self._mixing: Mixing | None = with_arguments(MIXINGS, mixing)()
        self._examples = examples
        self.choices = parse_choices(augmentation=augmentation, erasing=erasing, mixing=mixing)
        self._view = self.choices["augmentation"].name
        self._pixels = self._augmentation.before_normalization
        self.source = _unnormalized(examples) if self._pixels else examples
        self.each_alone = self._augmentation.each_alone and self._erasing.each_alone and not self._pixels
        first = [len(part.draw(1, torch.Generator())) for part in (self._augmentation, self._erasing)]
        self._of_augmentation = slice(0, first[0])
        self._of_erasing = slice(first[0], sum(first))
        self._of_mixing = slice(sum(first), None)

    def drawing(self, seed: int, epoch: int) -> Callable[[int], tuple[Tensor, ...]]:
        """A function that draws, for one batch of an epoch after the other, from its number of images."""
        purposes = [(self._augmentation, "augmentation"), (self._erasing, "erasing"), (self._mixing, "mixing")]
        parts = [(part, derived_generator(seed, purpose, epoch)) for part, purpose in purposes if part is not None]
        return lambda count: tuple(drawn for part, draw in parts for drawn in part.draw(count, draw))

    def batches(self, order: Tensor, size: int, *, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images (B, C, H, W), as `apply` takes them, and labels (B,) of the examples at `order`; views by `seed`."""
        return self.source.training_batches(order, size, augmentation=self._view, seed=seed)

    def gather(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W), as `apply` takes them, and labels (B,) of the examples in memory at `chosen` (B,)."""
        return cast(Examples, self.source).gather(chosen)

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """`images` (B, C, H, W) as the network takes them, but for mixing."""
        images = self._augmentation.apply(images, draws[self._of_augmentation])
        if self._pixels and isinstance(self._examples, Examples):
            images = self._examples.normalize(images)
        return self._erasing.apply(images, draws[self._of_erasing])

    def mix(self, images: Tensor, draws: Draws) -> Mixed | None:
        """Mixtures of normalized `images` (B, C, H, W); None where none are made."""
        return self._mixing.apply(images, draws[self._of_mixing]) if self._mixing else None


def apply_to_each(changes: Sequence[BatchChanges], images: Tensor, draws: Draws) -> Tensor:
    """`images` (B, K*C, H, W) of K trainings of one shape, changed by `draws` (B, K, ...) as each does it alone."""
    members = len(changes)
    if not changes[0].each_alone:
        parts = zip(changes, images.chunk(members, dim=1), range(members), strict=True)
        return torch.cat([own.apply(part, [drawn[:, member] for drawn in draws]) for own, part, member in parts], dim=1)
    every = images.unflatten(1, (members, -1)).flatten(0, 1)
    changed = changes[0].apply(every, [drawn.flatten(0, 1) for drawn in draws])
    return changed.unflatten(0, (-1, members)).flatten(1, 2)


def _unnormalized(examples: ExampleSource) -> Examples:
    if not isinstance(examples, Examples):
        raise ValueError("images that are decoded while it trains are normalized before they are augmented")
    return replace(examples, mean=None, std=None)
