"""The README's network of one's own, line by line, and what is said of networks that are no chain."""

import re
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from resablate.adapters import adapt, pretrained_builder
from resablate.analyses import lesion
from resablate.datasets import Examples
from resablate.errors import ResablateError
from resablate.model import ResidualNetwork, gradients_by_length, path_gradients
from tests.benchmarks.library_picture import readme_lines
from tests.networks import relative_gap

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
LONGEST = 15


def _lines() -> str:
    """The code under the heading "A network of your own"."""
    section = README.partition("### A network of your own")[2]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1]


class _Pair(nn.Module):
    """A layer of two activations, which pass each other: no chain that anything could find by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.f, self.g = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, y = pair
        x = x + self.f(y)
        return x, y + self.g(x)


class _Reversible(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Flatten(), nn.Linear(12, 16))
        self.layers = nn.Sequential(_Pair(), _Pair())
        self.classify = nn.Linear(16, 3)

    def forward(self, images: Tensor) -> Tensor:
        x, y = self.embed(images).chunk(2, dim=1)
        return self.classify(torch.cat(self.layers((x, y)), dim=1))


def test_these_lines_adapt_a_network() -> None:
    lines = _lines()
    assert len([line for line in lines.splitlines() if line.strip()]) <= LONGEST
    torch.manual_seed(0)
    theirs = _Reversible().double().eval()
    with pytest.raises(ResablateError, match=r"^_Reversible: .*README, 'A network of your own'"):
        adapt(theirs, torch.randn(2, 3, 2, 2).double())
    names: dict[str, object] = {"theirs": theirs}
    exec(lines, names)
    network = names["network"]
    assert isinstance(network, ResidualNetwork)
    images, labels = torch.randn(4, 3, 2, 2).double(), torch.tensor([0, 1, 2, 0])
    with torch.no_grad():
        assert torch.equal(network(images), theirs(images))
    assert len(network.chain) == 4
    whole = path_gradients(network, images, labels, routes=None)
    assert relative_gap(gradients_by_length(network, images, labels).sum(0), whole) < 1e-12
    assert len(lesion(network, Examples(images, labels)).table["error"]) == 4


def test_paths_where_blocks_add_tokens_of_what_were_images() -> None:
    """Swin's second addition of a layer is of (B, H * W, C), between images (B, H, W, C)."""
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    small = {"img_size": 56, "depths": (1, 1, 2, 1), "embed_dim": 12, "num_heads": (1, 2, 3, 4)}
    network = adapt(timm.create_model("swin_tiny_patch4_window7_224", num_classes=3, **small).double().eval())
    images, labels = torch.randn(2, 3, 56, 56).double(), torch.tensor([0, 1])
    whole = path_gradients(network, images, labels, routes=None)
    assert relative_gap(gradients_by_length(network, images, labels).sum(0), whole) < 1e-12


class _Wide(nn.Module):
    """Adds two branches of the same kind: none is a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.one, self.other = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        return self.head(self.one(x) + self.other(x))


class _Asking(torchvision.models.resnet.BasicBlock):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if float(x.sum()) == 0 else x + self.bn1(self.conv1(x))


class _InPlace(torchvision.models.resnet.BasicBlock):
    """Changes its input for others too, deep inside of its branch."""

    def __init__(self) -> None:
        super().__init__(64, 64)
        self.changing = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(64, 64, 3, padding=1))
        del self.conv1, self.bn1, self.conv2, self.bn2

    def forward(self, x: Tensor) -> Tensor:
        return self.changing(x) + x


def _with_block(block: nn.Module) -> nn.Module:
    network = torchvision.models.resnet18(num_classes=3)
    network.layer1[1] = block
    return network


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            _Wide,
            r"^_Wide: its forward \(add\) adds two branches of equally many layers, none of which is a shortcut; how",
        ),
        (
            lambda: _with_block(_Asking(64, 64)),
            r"^ResNet: layer1\.1 adds activations in a way that cannot be traced: what it computes depends on the"
            r" images' values or sizes in line \d+ of test_own_network\.py, `return x \+ 1 if float\(x\.sum\(\)\) == 0",
        ),
        (lambda: _with_block(_InPlace()), r"^layer1\.1: changes its input in place"),
        (torchvision.models.vgg11, r"^VGG: no two activations of one shape are added anywhere, so there is"),
        (
            torchvision.models.densenet121,
            r"^DenseNet: .*they are joined in features\.denseblock1\.denselayer2",
        ),
    ],
)
def test_what_is_no_chain_says_where(network: type[nn.Module], message: str) -> None:
    torch.manual_seed(0)
    with pytest.raises(ResablateError, match=message):
        adapt(network())


@pytest.mark.parametrize(
    "wrap",
    [nn.DataParallel, torch.compile, torch.optim.swa_utils.AveragedModel, lambda n: torch.compile(nn.DataParallel(n))],
)
def test_what_is_around_a_network_is_taken_off(wrap: type[nn.Module]) -> None:
    theirs = torchvision.models.resnet18(num_classes=3).eval()
    ours = adapt(wrap(theirs))
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))


@pytest.mark.slow
def test_the_script_of_the_library_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From weights on disk to both pictures, as it stands in the README."""
    pytest.importorskip("timm")
    code = readme_lines()
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    vit = pretrained_builder("timm:vit_small_patch16_224")(num_classes=4)
    save_file(vit.state_dict(), tmp_path / "vit_small.safetensors")
    torch.save(pretrained_builder("torchvision:resnet50")(num_classes=4).state_dict(), tmp_path / "resnet50.pth")
    torch.save((torch.randn(2, 3, 224, 224), torch.tensor([0, 3])), tmp_path / "examples.pt")
    exec(code, {})
    assert (tmp_path / "timm_vit_small_patch16_224.png").stat().st_size > 10_000
    assert (tmp_path / "torchvision_resnet50.png").stat().st_size > 10_000


def test_images_that_it_takes_are_asked_for() -> None:
    class Odd(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            assert images.shape[-1] == 17, "17 pixels"
            return images.flatten(1) + images.flatten(1)

    with pytest.raises(ResablateError, match=r"^Odd: takes no images .*\(17 pixels\): give adapt two images that it"):
        adapt(Odd())
