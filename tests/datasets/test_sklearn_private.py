"""The digits' file is scikit-learn's own, and scikit-learn is asked where the file is not what it was."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from resablate.datasets import sklearn_private
from resablate.datasets.sklearn_private import read_digits, stored_table


def test_the_file_is_where_it_is_looked_for_and_holds_the_digits() -> None:
    table = stored_table()
    assert table is not None, "scikit-learn keeps the digits elsewhere: each process imports it again"
    pixels, classes = load_digits(return_X_y=True)
    assert np.array_equal(table[:, :-1], pixels)
    assert np.array_equal(table[:, -1], classes)


@pytest.mark.parametrize("content", [None, b"", b"no gzip", gzip.compress(b"1,2\n3,4\n"), gzip.compress(b"a,b\n")])
def test_scikit_learn_is_asked_where_the_file_is_another(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "digits.csv.gz"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setattr(sklearn_private, "_FILE", file)
    assert stored_table() is None
    pixels, classes = read_digits()
    assert (pixels.shape, classes.shape) == ((1797, 64), (1797,))
    monkeypatch.setattr(sklearn_private, "find_spec", lambda name: None)
    assert stored_table() is None
