"""What an analysis cannot take is one clear error, and costs nothing."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torchvision
from torch import nn

from resablate.analyses import ANALYSES
from resablate.datasets import Examples
from resablate.errors import AnalysisError
from resablate.measurement import AnalysisResult
from resablate.model import ResidualNetwork
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
