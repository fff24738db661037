"""He, Zhang, Ren & Sun 2016, "Identity Mappings in Deep Residual Networks" (arXiv 1603.05027)."""

from resablate.claims import he2016_imagenet, he2016_orderings, he2016_shortcuts

CLAIMS = (
    *he2016_shortcuts.CLAIMS,
    *he2016_orderings.CLAIMS,
    *he2016_imagenet.CLAIMS,
    he2016_shortcuts.PRODUCT,
    he2016_orderings.WARM_UP,
)
"""H1 to H28, in order."""
