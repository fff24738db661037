"""The augmentations: one file each."""

from collections.abc import Callable

from resablate.augmentations.crop import CROP_FILLS as CROP_FILLS
from resablate.augmentations.crop import Crop
from resablate.augmentations.crop_flip import CropFlip
from resablate.augmentations.cutmix import CutMix
from resablate.augmentations.cutout import Cutout
from resablate.augmentations.flip import Flip
from resablate.augmentations.interface import Augmentation as Augmentation
from resablate.augmentations.mixing import Mixed as Mixed
from resablate.augmentations.mixing import Mixing as Mixing
from resablate.augmentations.mixup import Mixup
from resablate.augmentations.none import Keep, no_mixing
from resablate.augmentations.random_erasing import RandomErasing
from resablate.augmentations.scale import scale
from resablate.augmentations.scale_aspect import scale_aspect
from resablate.registry import Registry

AUGMENTATIONS: Registry[Callable[..., Augmentation]] = Registry(
    "augmentation",
    "augmentations",
    {"none": Keep, "flip": Flip, "crop": Crop, "crop_flip": CropFlip, "scale": scale, "scale_aspect": scale_aspect},
)

ERASINGS: Registry[Callable[..., Augmentation]] = Registry(
    "erasing", "erasings", {"none": Keep, "cutout": Cutout, "random_erasing": RandomErasing}
)
"""What is erased from images that are augmented and normalized."""

MIXINGS: Registry[Callable[..., Mixing | None]] = Registry(
    "mixing", "mixings", {"none": no_mixing, "mixup": Mixup, "cutmix": CutMix}
)
