"""The data of trials: those that their keys were made with, and no others."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from resablate.component import Component
from resablate.datasets import StoredImages, load_dataset, without_download
from resablate.errors import DatasetError
from resablate.spec import TrainSpec


def load_trial_data(spec: TrainSpec, data_root: Path | None) -> StoredImages:
    """The data set of a trial; whatever is found where the trial names no fingerprint.

    Raises:
        DatasetError: if it is missing, broken, or not the one that the trial names by its fingerprint.
    """
    loaded = load_dataset(spec.dataset, data_root)
    known = spec.fingerprint
    if known and known != loaded.fingerprint():
        raise DatasetError(
            f"{spec.dataset.name}: the data found have the fingerprint {loaded.fingerprint()}, but the trial"
            f" {spec.key} is of data with {known}; name the folder of those with --data-root or $RESABLATE_DATA"
        )
    return loaded


def check_trial_data(specs: Iterable[TrainSpec], data_root: Path | None) -> None:
    """Raise DatasetError where the data of one of `specs` are not here; each data set is looked at once."""
    for spec in {spec.dataset: spec for spec in specs}.values():
        load_trial_data(spec, data_root)


def data_notes(datasets: Iterable[Component], data_root: Path | None) -> list[str]:
    """One line for each data set that is not on this machine; nothing is downloaded."""
    found: list[str] = []
    with without_download():
        for dataset in dict.fromkeys(datasets):
            try:
                load_dataset(dataset, data_root)
            except DatasetError as error:
                why = str(error).partition("\n")[0].removeprefix(f"{dataset.name}: ")
                found.append(
                    f"data: {dataset.name} is not usable here ({why}); keys hold the fingerprint of the data, so they"
                    " are made where the sweep runs"
                )
    return found
