"""CIFAR-100: 32x32 color images of a hundred kinds of things."""

from resablate.datasets.cifar_batches import CifarLayout, cifar_dataset

CIFAR100 = cifar_dataset(
    CifarLayout(
        name="cifar100",
        folder="cifar-100-python",
        train=("train",),
        test="test",
        label=b"fine_labels",
        classes=100,
        torchvision_class="CIFAR100",
    )
)
