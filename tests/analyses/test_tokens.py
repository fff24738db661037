"""Every analysis on networks between whose blocks there are no images."""

import math
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resablate.adapters import adapt
from resablate.analyses import ANALYSES, linear_spectrum, norm_preservation
from resablate.analyses.linear_spectrum import head_maps
from resablate.datasets import Examples
from resablate.model import ResidualNetwork, gradients_by_length, path_gradients
from tests.analyses.brute_force import every_path
from tests.networks import make_generator, relative_gap

WIDTH, HEADS, TOKENS = 8, 2, 5


class _Attention(nn.Module):
    """One query for each token, with the modules' names that timm uses."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads = HEADS
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        batch, count, _ = x.shape
        q, k, v = self.qkv(x).reshape(batch, count, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4).unbind(0)
        attended = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.proj(attended.transpose(1, 2).reshape(batch, count, WIDTH))


class _Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = _Attention()
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 12), nn.GELU(), nn.Linear(12, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class _Transformer(nn.Module):
    """A vision transformer of two layers, for images of 1x4x4."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, WIDTH, 2, stride=2)
        self.first = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.layers = nn.Sequential(_Layer(), _Layer())
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.first.expand(x.shape[0], -1, -1), x], dim=1)
        return self.head(self.norm(self.layers(x))[:, 0])


def _network() -> tuple[nn.Module, ResidualNetwork]:
    torch.manual_seed(0)
    theirs = _Transformer().double().eval()
    return theirs, adapt(theirs, torch.randn(2, 1, 4, 4, dtype=torch.float64))


def _examples(count: int = 6) -> Examples:
    images = torch.randn(count, 1, 4, 4, generator=make_generator(1), dtype=torch.float64)
    return Examples(images, torch.arange(count) % 3)


@pytest.mark.parametrize("name", [name for name in ANALYSES if name != "spectrum"])
def test_every_analysis(name: str) -> None:
    _, network = _network()
    keywords: dict[str, Any] = {"samples": 2} if name in ("path_gradient", "reorder") else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = ANALYSES[name].run(network, _examples(), generator=make_generator(), **keywords)
    assert all(math.isfinite(value) for value in result.summary.values())


def test_the_stem_s_convolution_has_a_spectrum() -> None:
    result = ANALYSES["spectrum"].run(_network()[1], _examples(), generator=make_generator())
    assert result.table["is_stem"] == [1.0]


def test_the_walk_gives_what_autograd_gives_path_by_path() -> None:
    _, network = _network()
    images, labels = next(_examples(2).batches(2))
    walked = gradients_by_length(network, images, labels)
    one_by_one = every_path(network, images, labels)
    assert walked.shape == (5, 2, 1, 4, 4)
    assert relative_gap(walked, one_by_one) < 1e-12
    assert relative_gap(walked.sum(0), path_gradients(network, images, labels, routes=None)) < 1e-12


class _OneByOne(torch.autograd.Function):
    """Its backward pass looks at a number, which torch cannot do for many vectors at once."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        assert math.isfinite(float(gradients[0].sum()))
        return 2 * gradients[0]


class _Doubling(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return _OneByOne.apply(x)


def test_a_layer_that_takes_one_vector_at_a_time() -> None:
    theirs, _ = _network()
    theirs.get_submodule("layers.1.mlp").append(_Doubling())  # type: ignore[operator]
    network = adapt(theirs, torch.randn(2, 1, 4, 4, dtype=torch.float64))
    images, labels = next(_examples(2).batches(2))
    assert relative_gap(gradients_by_length(network, images, labels), every_path(network, images, labels)) < 1e-12


def test_what_a_head_writes_is_a_product_of_two_matrices() -> None:
    theirs, network = _network()
    table = linear_spectrum(network, _examples()).table
    assert table["block"] == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, -1]
    assert [head for head in table["head"] if head >= 0] == [0, 1, 0, 1]
    attention = theirs.get_submodule("layers.1.attention")
    value = attention.get_submodule("qkv").get_parameter("weight")[2 * WIDTH :]
    output = attention.get_submodule("proj").get_parameter("weight")
    row = list(zip(table["block"], table["head"], strict=True)).index((2, 1))
    whole = torch.linalg.svdvals((output[:, 4:] @ value[4:]).detach())
    assert table["largest"][row] == pytest.approx(float(whole[0]), rel=1e-12)
    assert table["smallest"][row] == pytest.approx(float(whole[3]), rel=1e-10)
    head = theirs.get_submodule("head").get_parameter("weight").detach()
    assert table["largest"][-1] == pytest.approx(float(torch.linalg.svdvals(head)[0]), rel=1e-12)


def test_torch_s_own_attention_has_these_maps() -> None:
    """One token attends to itself alone: attention is then the sum of its heads' maps."""
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(WIDTH, HEADS, bias=False, batch_first=True, dtype=torch.float64)
    x = torch.randn(1, 1, WIDTH, dtype=torch.float64)
    maps = [output @ value for output, value in head_maps(attention)]
    assert len(maps) == HEADS
    with torch.no_grad():
        assert relative_gap(x @ sum(maps, torch.zeros(())).mT, attention(x, x, x)[0]) < 1e-12


def test_a_shape_of_tokens_has_channels_and_no_height() -> None:
    table = norm_preservation(_network()[1], _examples(), generator=make_generator()).table
    assert table["in_channels"] == [WIDTH] * 4
    assert all(math.isnan(height) for height in table["in_height"])
