"""One rise of the rate and one fall to zero."""

import math


def one_cycle(iteration: int, total: int, *, learning_rate: float) -> float:
    """Linear from a tenth of `learning_rate` up to it over the first 30 % of the run, then a half cosine to zero.

    For runs of a few epochs, where steps at fixed parts would leave too little time at any rate.

    Source: Smith & Topin, arXiv 1708.07120, in its two-phase form.
    """
    rise = max(1, round(0.3 * total))
    if iteration < rise:
        return learning_rate * (0.1 + 0.9 * iteration / rise)
    return learning_rate * 0.5 * (1 + math.cos(math.pi * (iteration - rise) / max(1, total - rise)))
