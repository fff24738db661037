"""What an analysis cannot take is one clear error, and costs nothing."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from resablate.analyses import ANALYSES
from resablate.datasets import Examples
from resablate.errors import AnalysisError
from resablate.measurement import AnalysisResult
from resablate.model import ResidualNetwork, gradients_by_length, path_gradients
from tests.networks import make_examples, make_generator, make_images, make_network

DISSECTING = list(ANALYSES)


@pytest.mark.parametrize("name", DISSECTING)
def test_a_network_without_blocks(name: str) -> None:
    network = ResidualNetwork(stem=nn.Identity(), blocks=[], head=nn.Flatten())
    with pytest.raises(
        AnalysisError, match=r"^a network must have at least one block to be dissected, but this one has none$"
    ):
        ANALYSES[name].run(network, make_examples(), generator=make_generator())


@pytest.mark.parametrize("name", DISSECTING)
def test_a_network_that_is_not_adapted(name: str) -> None:
    with pytest.raises(AnalysisError, match=r"must be a ResidualNetwork .* is a ResNet: adapt\(network\) makes one"):
        ANALYSES[name].run(
            torchvision.models.resnet18(num_classes=3),  # type: ignore[arg-type]
            make_examples(channels=3, size=(32, 32)),
            generator=make_generator(),
        )


@pytest.mark.parametrize("number", [0, -1])
@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("lesion", "examples"),
        *(("multi_lesion", part) for part in ("largest", "subsets", "examples")),
        *(("reorder", part) for part in ("swaps", "samples", "examples")),
        *(("path_gradient", part) for part in ("samples", "examples")),
        ("norm_preservation", "examples"),
        ("test_time_rules", "subsets"),
    ],
)
def test_numbers_below_one(name: str, argument: str, number: int) -> None:
    run: Callable[..., AnalysisResult] = ANALYSES[name].run
    with pytest.raises(ValueError, match=rf"^{argument} must be at least 1, but got {number}$"):
        run(make_network(), make_examples(), generator=make_generator(), **{argument: number})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda images, labels: (images, labels.float()),
            r"int64, the number of a class.* got \(12,\) of torch.float",
        ),
        (lambda images, labels: (images, labels.int()), r"but got \(12,\) of torch.int32"),
        (lambda images, labels: (images, functional.one_hot(labels)), r"\(12,\) of torch.int64.* got \(12, 3\)"),
        (lambda images, labels: (images, labels[:5]), "one label for each image and at least one: 12, 5"),
        (lambda images, labels: (images, labels.to("meta")), "must lie on one device, but got cpu and meta"),
        (lambda images, labels: (images[:, 0], labels), r"images must be \(N, C, H, W\), of bytes or floats"),
        (lambda images, labels: (images.long(), labels), r"of bytes or floats, but got .* of torch.int64"),
    ],
)
def test_what_are_no_examples(change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Examples(*change(*make_images(12)))


@pytest.mark.parametrize("name", ["lesion", "path_gradient"])
def test_images_that_the_network_does_not_take(name: str) -> None:
    images, labels = make_images(12)
    run = partial(ANALYSES[name].run, make_network(), generator=make_generator())
    for wrong in (images.repeat(1, 2, 1, 1), images.float()):
        with pytest.raises(AnalysisError, match=r"^the network cannot take the images, .* of torch\.float(32|64): .+"):
            run(Examples(wrong, labels))
    with pytest.raises(AnalysisError, match="must lie on one device, but got cpu and meta: Examples"):
        run(Examples(images.to("meta"), labels.to("meta")))


@pytest.mark.parametrize("wrong", [Tensor.float, lambda labels: labels[:5], lambda labels: labels.to("meta")])
def test_labels_that_are_none_of_a_path(wrong: Callable[[Tensor], Tensor]) -> None:
    images, labels = make_images(12)
    for walk in (gradients_by_length, partial(path_gradients, routes=None)):
        with pytest.raises(ValueError, match=r"^labels must be \(\d+,\) of torch.int64 on cpu"):
            walk(make_network(), images, wrong(labels))


@pytest.mark.parametrize("label", [3, -1, -100])
@pytest.mark.parametrize("name", DISSECTING)
def test_labels_outside_the_classes(name: str, label: int) -> None:
    images, labels = make_images(12)
    labels[[5, 7]] = label
    network = make_network().train()
    run = partial(ANALYSES[name].run, network, generator=make_generator())
    with pytest.raises(
        AnalysisError,
        match=rf"^labels must be the network's classes, 0 to 2, but 2 of 12 are not: example 5 \(counted from 0\) has"
        rf" label {label}$",
    ):
        run(Examples(images, labels))
    assert all(module.training for module in network.modules())
    assert not torch.is_inference_mode_enabled()
