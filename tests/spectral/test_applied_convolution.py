"""A layer that transforms its weights or pads on its own, as the plain convolution that it applies."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from resablate.adapters import adapt
from resablate.analyses import spectrum
from resablate.datasets import Examples
from resablate.spectral import applied_convolution
from tests.networks import make_generator


class _Standardized(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        kernel = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        return self._conv_forward(input, kernel / kernel.std(dim=(1, 2, 3), keepdim=True), self.bias)


class _Shifted(nn.Conv2d):
    """Pads on its own, more on one side."""

    zeros = (0, 1, 2, 1)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(functional.pad(input, self.zeros))


class _Doubled(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


class _Reflected(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(functional.pad(input, (1, 1, 1, 1), mode="reflect"))


class _Dynamic(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight * input.mean(), self.bias)


LAYERS: dict[str, Callable[[], nn.Conv2d]] = {
    "standardized": lambda: _Standardized(4, 6, 3, stride=2, padding=1),
    "groups": lambda: _Standardized(4, 6, 3, padding=2, dilation=2, groups=2),
    "shifted": lambda: _Shifted(4, 6, 3, stride=2),
    "shifted-more": lambda: _Shifted(4, 6, 2, padding=1),
    "same": lambda: nn.Conv2d(4, 6, 3, padding="same"),
    "same-even": lambda: nn.Conv2d(4, 6, 4, padding="same"),
    "valid": lambda: nn.Conv2d(4, 6, 3, padding="valid"),
}


@pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel lengths")
@pytest.mark.parametrize("kind", LAYERS)
def test_the_plain_convolution_gives_the_same(kind: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[kind]().double()
    plain = applied_convolution(layer, size=(8, 10))
    assert type(plain) is nn.Conv2d
    images = torch.randn(2, 4, 8, 10, dtype=torch.float64)
    with torch.no_grad():
        assert layer.bias is not None
        expected = layer(images) - layer.bias.view(-1, 1, 1)
        found = plain(images)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)  # sums of at most 64 numbers of size 1


def test_a_plain_one_is_itself() -> None:
    layer = nn.Conv2d(2, 3, 3, padding=1)
    assert applied_convolution(layer, size=(4, 4)) is layer


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (_Doubled(2, 3, 3), "what it gives is not what one convolution"),
        (_Reflected(2, 3, 3), "what it convolves is not its images with zeros around them"),
        (nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), "what it convolves is not its images with zeros"),
        (_Dynamic(2, 3, 3), "its kernel depends on the images"),
    ],
)
def test_what_is_no_convolution_with_a_kernel_is_refused(layer: nn.Conv2d, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        applied_convolution(layer, size=(6, 6))


@pytest.mark.parametrize("name", ["eca_nfnet_l0", "tf_efficientnet_b0", "convmixer_768_32"])
@pytest.mark.slow
def test_spectra_of_timm_s(name: str) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    theirs = timm.create_model(name, num_classes=3)
    with torch.no_grad():
        for parameter in theirs.parameters():  # gains are zero before training
            parameter.add_(0.02 * torch.randn(parameter.shape))
    network = adapt(theirs)
    examples = Examples(torch.randn(1, 3, 32, 32), torch.zeros(1, dtype=torch.int64))
    result = spectrum(network, examples, generator=make_generator())
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert len(result.table["layer"]) == len(convolutions)
    # Zero padding only leaves out what a border would wrap around.
    for padded, circular in zip(result.table["zero_padded_largest"], result.table["largest"], strict=True):
        assert 0 < padded
        assert not padded > circular * (1 + 1e-4)
