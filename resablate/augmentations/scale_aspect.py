"""Random area, random aspect ratio and flips of images of any size."""

from resablate.augmentations.flip import Flip


def scale_aspect() -> Flip:
    """A part of an `image_folder` image of random area and shape (VIEWS has it), then `flip`: Szegedy et al.

    Images are cut before there is a batch, so that `flip` is all that is left to do with one.
    """
    return Flip()
