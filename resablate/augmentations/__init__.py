"""The augmentations: one file each."""

from collections.abc import Callable

from resablate.augmentations.crop import CROP_FILLS as CROP_FILLS
from resablate.augmentations.crop import Crop
from resablate.augmentations.crop_flip import CropFlip
from resablate.augmentations.flip import Flip
from resablate.augmentations.interface import Augmentation as Augmentation
from resablate.augmentations.none import Keep
from resablate.augmentations.scale import scale
from resablate.augmentations.scale_aspect import scale_aspect
from resablate.registry import Registry

AUGMENTATIONS: Registry[Callable[..., Augmentation]] = Registry(
    "augmentation",
    "augmentations",
    {"none": Keep, "flip": Flip, "crop": Crop, "crop_flip": CropFlip, "scale": scale, "scale_aspect": scale_aspect},
)
