"""A claim about each of several: better than every rival, true in every setting.

It is supported where each part is, at the full level: an intersection-union test needs no correction. It is
contradicted where some part is, after Holm's correction for their number, so that no rival is picked for having come
out best. It is equivalent where each part is supported or equivalent.

Source: Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24 (1982); Holm, "A simple
sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979).
"""

from collections.abc import Sequence

import numpy as np

from resablate.statistics.verdict import Evidence


def every(parts: Sequence[Evidence]) -> Evidence:
    """The evidence for the claim about all of `parts`.

    Raises:
        ValueError: if there is no part.
    """
    if not parts:
        raise ValueError("a claim about each of several needs one part or more, but got none")
    either = [np.minimum(2 * part.supported, part.equivalent) for part in parts]
    smallest = np.min([part.contradicted for part in parts], axis=0)
    return Evidence(
        np.max([part.supported for part in parts], axis=0),
        np.minimum(1.0, len(parts) * smallest),
        np.max(either, axis=0),
    )
