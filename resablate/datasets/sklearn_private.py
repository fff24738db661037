"""The digits where scikit-learn keeps them, without importing it, which takes longer than a short training's start.

Where the file lies and how it is written is not public. Checked against scikit-learn 1.9
(tests/datasets/test_sklearn_private.py fails when it changes); where it is not what it was, `load_digits` is asked.
"""

import gzip
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

_FILE = Path("datasets") / "data" / "digits.csv.gz"
_SHAPE = (1797, 65)
_Digits = tuple[NDArray[np.float64], NDArray[np.int64]]


def read_digits() -> _Digits:
    """Pixels (1797, 64), 0 to 16, and classes (1797,)."""
    table = stored_table()
    if table is None:
        from sklearn.datasets import load_digits

        return cast(_Digits, load_digits(return_X_y=True))
    return table[:, :-1], table[:, -1].astype(np.int64)


def stored_table() -> NDArray[np.float64] | None:
    """The file's numbers (1797, 65), classes last; None where there is no such file, or another content."""
    found = find_spec("sklearn")
    for folder in (found and found.submodule_search_locations) or ():
        try:
            with gzip.open(Path(folder) / _FILE, "rt", encoding="ascii") as file:
                table = np.array([line.split(",") for line in file], dtype=np.float64)
        except (OSError, EOFError, ValueError):
            return None
        return table if table.shape == _SHAPE else None
    return None
