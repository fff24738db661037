"""Routes: which of a block's two addends passes, forward or backward."""

from enum import Enum


class Route(Enum):
    """What passes a block.

    Lesions, paths and sampled depth are lists of routes, one for each block. Over n blocks the input gradients of all
    2^n lists of `GRADIENT_BY_SHORTCUT` and `GRADIENT_BY_BRANCH` sum to the ordinary gradient.

    Source: Veit et al. 2016, sections 3 and 4.
    """

    BOTH = "both"
    """The ordinary block."""
    SHORTCUT_ONLY = "shortcut_only"
    """A lesion: the branch is removed and not computed."""
    GRADIENT_BY_SHORTCUT = "gradient_by_shortcut"
    """The ordinary value; the gradient returns through the carried addend alone."""
    GRADIENT_BY_BRANCH = "gradient_by_branch"
    """The ordinary value; the gradient returns through the added addend alone."""
