"""Random scale, random crop and flips of images of any size."""

from resablate.augmentations.flip import Flip


def scale() -> Flip:
    """A crop of an `image_folder` image at a random size (VIEWS has it), then `flip`: He et al. on ImageNet.

    Images are cut before there is a batch, so that `flip` is all that is left to do with one.
    """
    return Flip()
