"""The test error of a network that guesses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

from resablate.measurement import AnalysisResult
from resablate.question import TEST


class Classified(Protocol):
    """A row of the table of data sets."""

    @property
    def num_classes(self) -> int:
        """How many classes its images have."""
        ...

    @property
    def streamed(self) -> bool:
        """Whether the images are the user's own, so that `num_classes` is not known before they are read."""
        ...


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class _Spec(Protocol):
    @property
    def dataset(self) -> _Named: ...


class Tested(Protocol):
    """A `TrialResult`, or anything else that tells its data set and what was measured."""

    @property
    def spec(self) -> _Spec:
        """What was trained."""
        ...

    @property
    def analyses(self) -> Mapping[str, AnalysisResult]:
        """Name -> what was measured at the end."""
        ...


def chance_error(result: Tested, datasets: Mapping[str, Classified]) -> float:
    """The expected error of guessing among equally frequent classes, as a fraction; NaN where it is not known.

    The number of classes is that of the test set which the network was put to. Where the test did not tell it, it is
    the data set's, unless that depends on the user's own files.

    Args:
        result: of one trial.
        datasets: the table of data sets.
    """
    tested = result.analyses.get(TEST)
    if tested is not None and "classes" in tested.summary:
        return 1 - 1 / tested.summary["classes"]
    name = result.spec.dataset.name
    row = datasets[name] if name in datasets else None
    return math.nan if row is None or row.streamed else 1 - 1 / row.num_classes
