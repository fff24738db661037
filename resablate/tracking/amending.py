"""New measurements of a trial, merged with those that are stored."""

from __future__ import annotations

import re
from collections.abc import Iterable

from resablate.errors import TrackingError
from resablate.result import WEIGHTS_FILE, TrialResult, weights_file

_NUMBER = re.compile(r"\d+")


def amended_result(stored: TrialResult, new: TrialResult, *, weights: Iterable[str] = ()) -> TrialResult:
    """`stored` with the measurements of `new` and the epochs whose weights are stored with them.

    Args:
        stored: everything that was known.
        new: of the same trial; its measurements, failed measurements and kept epochs count.
        weights: names of the files of weights that come with it.

    Raises:
        TrackingError: if `new` is another trial's.
    """
    if stored.key != new.key:
        raise TrackingError(f"the run holds trial {stored.key}, so measurements of trial {new.key} cannot be added")
    epochs = {*stored.kept_epochs, *new.kept_epochs, *(epoch for epoch in stored_epochs(weights) if epoch is not None)}
    merged = stored.with_measurements(new.measurements, new.failed_measurements)
    return merged.model_copy(update={"kept_epochs": tuple(sorted(epochs))})


def stored_epochs(files: Iterable[str]) -> list[int | None]:
    """The epochs of the files with weights among `files`, in their order; None, the end, last."""
    names = set(files)
    numbers = (int(found[0]) for name in names if (found := _NUMBER.search(name)))
    epochs: list[int | None] = [epoch for epoch in sorted(set(numbers)) if weights_file(epoch) in names]
    return [*epochs, None] if WEIGHTS_FILE in names else epochs


def no_weights(run_id: str, files: Iterable[str], *, epoch: int | None) -> str:
    """The text of an error: a run has no weights of an epoch, and of which it has some."""
    stored = stored_epochs(files)
    asked = "no weights of the end" if epoch is None else f"no weights of epoch {epoch}"
    if not stored:
        return f"run {run_id} stored no weights; `resablate sweep FILE --rerun KEY` trains the trial again"
    of = ", ".join("the end" if kept is None else f"epoch {kept}" for kept in stored)
    return f"run {run_id} stored {asked} (it has those of {of})"
