"""The data sets: one file each.

All but `image_folder` are held in memory as bytes, so that no worker process has to feed a trial.
"""

from collections.abc import Hashable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from resablate.component import Component, parse_component
from resablate.datasets.cifar10 import CIFAR10
from resablate.datasets.cifar100 import CIFAR100
from resablate.datasets.digits import DIGITS
from resablate.datasets.fashion_mnist import FASHION_MNIST
from resablate.datasets.image_folder import IMAGE_FOLDER
from resablate.datasets.images import NORMALIZATIONS as NORMALIZATIONS
from resablate.datasets.images import Dataset as Dataset
from resablate.datasets.images import Examples as Examples
from resablate.datasets.images import ExampleSource as ExampleSource
from resablate.datasets.images import ImageDataset as ImageDataset
from resablate.datasets.images import Splits as Splits
from resablate.datasets.images import StoredImages as StoredImages
from resablate.datasets.images import split_images as split_images
from resablate.datasets.locations import without_download as without_download
from resablate.datasets.splitting import split_sizes as split_sizes
from resablate.datasets.synthetic import SYNTHETIC
from resablate.datasets.views import VIEWS as VIEWS
from resablate.registry import Registry, filter_kwargs

DATASETS: Registry[Dataset] = Registry(
    "dataset",
    "datasets",
    {
        "digits": DIGITS,
        "fashion_mnist": FASHION_MNIST,
        "cifar10": CIFAR10,
        "cifar100": CIFAR100,
        "image_folder": IMAGE_FOLDER,
        "synthetic": SYNTHETIC,
    },
    given=("generator", "device"),
)


_Loaded = tuple[str, tuple[tuple[str, Hashable], ...], Path | None]
"""Name, arguments that loading takes, and where it looks first."""
_cached: dict[_Loaded, StoredImages] = {}


def load_dataset(dataset: str | Mapping[str, Any] | Component, data_root: Path | None = None) -> StoredImages:
    """A data set, read once per process however many trials use it.

    Args:
        dataset: a row of DATASETS by its name, or with arguments.
        data_root: where to look first.

    Raises:
        UnknownName: if there is no such row.
        DatasetError: if its files are missing or broken.
    """
    wanted = _loaded(dataset, data_root)
    return _cached.get(wanted) or _load(wanted)


@lru_cache(maxsize=2)
def _load(wanted: _Loaded) -> StoredImages:
    name, arguments, data_root = wanted
    return DATASETS[name].load(data_root, **dict(arguments))


def cache_dataset(dataset: str | Component, data_root: Path | None, loaded: StoredImages) -> None:
    """Have `load_dataset` return what another process has read."""
    _cached[_loaded(dataset, data_root)] = loaded


def _loaded(dataset: str | Mapping[str, Any] | Component, data_root: Path | None) -> _Loaded:
    component = parse_component(dataset)
    own = filter_kwargs(DATASETS[component.name].load, component.values)
    return component.name, tuple(sorted(own.items())), data_root


def split_dataset(
    dataset: str | Mapping[str, Any] | Component,
    loaded: StoredImages,
    *,
    generator: torch.Generator,
    device: torch.device,
) -> Splits:
    """What is trained on, held out and tested on.

    Args:
        dataset: a row of DATASETS by its name, or with arguments.
        loaded: what `load_dataset` returned for it.
        generator: decides which images are held out.
        device: where batches will lie.

    Raises:
        DatasetError: if too few images are left to train on.
    """
    component = parse_component(dataset)
    split = DATASETS[component.name].split
    return split(loaded, generator=generator, device=device, **filter_kwargs(split, component.values))
