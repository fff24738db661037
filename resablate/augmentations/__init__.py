"""The augmentations: one file each."""

from resablate.augmentations.crop import CROP_FILLS as CROP_FILLS
from resablate.augmentations.crop import crop
from resablate.augmentations.crop_flip import crop_flip
from resablate.augmentations.flip import flip
from resablate.augmentations.interface import Augmentation as Augmentation
from resablate.augmentations.none import keep
from resablate.augmentations.scale import scale
from resablate.augmentations.scale_aspect import scale_aspect
from resablate.registry import Registry

AUGMENTATIONS: Registry[Augmentation] = Registry(
    "augmentation",
    "augmentations",
    {"none": keep, "flip": flip, "crop": crop, "crop_flip": crop_flip, "scale": scale, "scale_aspect": scale_aspect},
)
