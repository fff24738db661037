"""An adapter of another package: its networks on the command line, through the entry point alone."""

import csv
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from tests.plugins.test_outside_package import run

MODULE = '''
import torch
from torch import nn

from resablate import Addends, Block, ResidualNetwork
from resablate.adapters import Adapter
from resablate.errors import UnknownName


class Pair(nn.Module):
    """Two halves that pass each other: nothing that could be taken apart where it adds."""

    def __init__(self):
        super().__init__()
        self.f, self.g = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x, y):
        x = x + self.f(y)
        return x, y + self.g(x)


class Reversible(nn.Module):
    input_size = (1, 8, 8)

    def __init__(self, num_classes):
        super().__init__()
        self.embed = nn.Sequential(nn.Flatten(), nn.Linear(64, 16))
        self.layers = nn.ModuleList([Pair(), Pair()])
        self.classify = nn.Linear(16, num_classes)

    def forward(self, images):
        x, y = self.embed(images).chunk(2, dim=1)
        for layer in self.layers:
            x, y = layer(x, y)
        return self.classify(torch.cat([x, y], dim=1))


class Half(Block):
    changes_dimension = False

    def __init__(self, layer, index):
        super().__init__(after_add=nn.Identity())
        self.layer, self.index = layer, index

    def sides(self, z):
        x, y = z.chunk(2, dim=1)
        added = [self.layer(y), 0 * y] if self.index == 0 else [0 * x, self.layer(x)]
        return Addends(z, torch.cat(added, dim=1))

    def bypass(self, z):
        return z


def adapt(network):
    blocks = [Half(layer, i) for pair in network.layers for i, layer in enumerate([pair.f, pair.g])]
    return ResidualNetwork(stem=network.embed, blocks=blocks, head=network.classify)


def builder(model):
    if model != "two":
        raise UnknownName("reversible network", model, ["two"])
    return lambda *, num_classes: Reversible(num_classes)


REVERSIBLE = Adapter(
    networks="reversible networks of two layers",
    builder=builder,
    recognizes=lambda network: isinstance(network, Reversible),
    adapt=adapt,
)
'''


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder with the package as pip would lay it, and weights of its network."""
    (tmp_path / "reversible_nets.py").write_text(MODULE)
    metadata = tmp_path / "reversible_nets-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: reversible-nets\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[resablate.adapters]\nreversible = reversible_nets:REVERSIBLE\n")
    torch.manual_seed(0)
    layers = {"embed.1": nn.Linear(64, 16), "classify": nn.Linear(16, 10)}
    layers |= {f"layers.{i}.{half}": nn.Linear(8, 8) for i in range(2) for half in "fg"}
    state = {f"{name}.{part}": value for name, layer in layers.items() for part, value in layer.state_dict().items()}
    save_file(state, tmp_path / "two.safetensors")
    return tmp_path


def test_its_networks_are_listed_and_analyzed(package: Path) -> None:
    asked = ["analyze", "reversible:two", "lesion", "path_count", "--weights", "two.safetensors"]
    ran = run(package, ["list", "adapters"], [*asked, "--dataset", "digits", "--folder", "found"])
    assert ran.returncode == 0, ran.stderr
    assert "\nreversible " in ran.stdout
    [table] = (package / "found").rglob("lesion.csv")  # in the folder of this network, weights and data
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["block"] for row in rows] == ["0", "1", "2", "3"]
    assert len({row["loss"] for row in rows}) == 4, "every block does something"


def test_one_that_is_not_what_it_says_is_refused(package: Path) -> None:
    """The adapter of another package is proved as any other."""
    wrong = MODULE.replace("added = [self.layer(y), 0 * y]", "added = [self.layer(x), 0 * y]")
    (package / "reversible_nets.py").write_text(wrong)
    ran = run(package, ["analyze", "reversible:two", "lesion", "--weights", "two.safetensors", "--dataset", "digits"])
    assert ran.returncode != 0
    assert "Reversible: " in ran.stderr, ran.stderr
