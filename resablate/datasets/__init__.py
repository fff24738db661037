"""The data sets: one file each.

All but `image_folder` are held in memory as bytes, so that no worker process has to feed a trial.
"""

from functools import lru_cache
from pathlib import Path

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
from resablate.datasets.images import split_dataset as split_dataset
from resablate.datasets.images import split_sizes as split_sizes
from resablate.datasets.synthetic import SYNTHETIC
from resablate.datasets.views import VIEWS as VIEWS
from resablate.registry import Registry

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
)


_held: dict[tuple[str, Path | None], StoredImages] = {}


def load_dataset(name: str, data_root: Path | None = None) -> StoredImages:
    """The data set called `name`, read once per process however many trials use it.

    Args:
        name: a row of DATASETS.
        data_root: where to look first.

    Raises:
        UnknownName: if there is no such row.
        DatasetError: if its files are missing or broken.
    """
    return _held.get((name, data_root)) or _load(name, data_root)


@lru_cache(maxsize=2)
def _load(name: str, data_root: Path | None) -> StoredImages:
    return DATASETS[name].load(data_root)


def cache_dataset(name: str, data_root: Path | None, dataset: StoredImages) -> None:
    """Have `load_dataset` give what another process has read."""
    _held[name, data_root] = dataset
