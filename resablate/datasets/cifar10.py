"""CIFAR-10: 32x32 color images of ten kinds of things; the data set of all three papers."""

from resablate.datasets.cifar_batches import CifarLayout, cifar_dataset

CIFAR10 = cifar_dataset(
    CifarLayout(
        name="cifar10",
        folder="cifar-10-batches-py",
        train=tuple(f"data_batch_{number}" for number in range(1, 6)),
        test="test_batch",
        label=b"labels",
        classes=10,
        torchvision_class="CIFAR10",
    )
)
