"""What the files of published data sets are known by: one that is damaged or altered is refused before it is read."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from resablate.datasets.fingerprints import content_md5
from resablate.errors import DatasetError

PUBLISHED: Mapping[str, Mapping[str, str]] = {
    "cifar10": {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
    },
    "cifar100": {
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    },
    "fashion_mnist": {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
}
"""Data set -> file, unpacked -> its MD5. Sources: torchvision, `datasets/cifar.py`; of Fashion-MNIST what Debian's
dataset-fashion-mnist unpacks to, as others print it: the published MD5s are of its first compressed files alone."""


def check_published(dataset: str, files: Iterable[Path]) -> None:
    """Raise DatasetError, naming every file that is not as it was published; each is read once and then known.

    Args:
        dataset: a row of PUBLISHED; of another one nothing is known.
        files: by the names under which they are published; with the ending .gz where they are compressed.
    """
    known = PUBLISHED.get(dataset, {})
    found: list[str] = []
    for path in files if known else ():
        try:
            digest, wanted = content_md5(path), known[path.name.removesuffix(".gz")]
        except (OSError, EOFError, zlib.error) as error:
            raise DatasetError(f"{path}: not readable ({error})") from None
        if digest != wanted:
            found.append(f"{path}: its content has the MD5 {digest}, what was published {wanted}")
    if found:
        listed = "\n".join(f"  {line}" for line in found)
        raise DatasetError(
            f"{dataset}: {len(found)} files are not as they were published: damaged, altered, or of another data set\n"
            f"{listed}\n  put the published files there, or name another folder with --data-root or $RESABLATE_DATA;"
            " images of your own are trained on as dataset image_folder"
        )
