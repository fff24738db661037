"""What an analysis cannot take is one clear error, and costs nothing."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from resablate.analyses import lesion, multi_lesion, reorder, spectrum
from resablate.datasets import Examples
from resablate.errors import AnalysisError
from resablate.measurement import AnalysisResult
from resablate.model import ResidualNetwork
from tests.networks import make_examples, make_generator, make_images, make_network

ANALYSES: dict[str, Callable[..., AnalysisResult]] = {
    "lesion": lesion,
    "multi_lesion": multi_lesion,
    "reorder": reorder,
    "spectrum": spectrum,
}


@pytest.mark.parametrize("name", ANALYSES)
def test_a_network_without_blocks(name: str) -> None:
    network = ResidualNetwork(stem=nn.Identity(), blocks=[], head=nn.Flatten())
    with pytest.raises(
        AnalysisError, match=r"^a network must have at least one block to be dissected, but this one has none$"
    ):
        ANALYSES[name](network, make_examples(), generator=make_generator())


@pytest.mark.parametrize("label", [3, -1, -100])
@pytest.mark.parametrize("name", ANALYSES)
def test_labels_outside_the_classes(name: str, label: int) -> None:
    images, labels = make_images(12)
    labels[[5, 7]] = label
    network = make_network().train()
    run = partial(ANALYSES[name], network, generator=make_generator())
    with pytest.raises(
        AnalysisError,
        match=rf"^labels must be the network's classes, 0 to 2, but 2 of 12 are not: example 5 \(counted from 0\) has"
        rf" label {label}$",
    ):
        run(Examples(images, labels))
    assert all(module.training for module in network.modules())
    assert not torch.is_inference_mode_enabled()
