"""Networks that give more than logits, or something else: said in one sentence, with the lines that choose them."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from resablate.adapters import adapt
from resablate.errors import ResablateError
from resablate.model import ResidualNetwork

IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


class _Giving(nn.Module):
    """One block, and an output made of logits and features."""

    def __init__(self, given: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.stem, self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 3)
        self.given = given

    def forward(self, images: Tensor) -> Any:
        x = self.stem(images)
        features = (x + self.conv(x)).mean((2, 3))
        return self.given(self.head(features), features)


def _logits(network: _Giving) -> Tensor:
    with torch.no_grad():
        x = network.stem(IMAGES)
        return network.head((x + network.conv(x)).mean((2, 3)))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda y, f: (y, f), r"gives a tuple of 2 \(a tensor \(2, 3\), a tensor \(2, 4\)\), and wanted are logits"),
        (lambda y, f: [y], r"gives a list of 1 \(a tensor \(2, 3\)\), and"),
        (lambda y, f: {"features": f, "logits": y}, r"gives a dict of 'features', 'logits', and wanted"),
        (lambda y, f: {"out": y, "aux": f}, r"gives a dict of 'out', 'aux', and wanted"),
    ],
    ids=["tuple", "list", "dict", "segmentation"],
)
def test_what_it_gives_is_said_and_the_lines_in_the_message_adapt_it(given: Callable[..., Any], said: str) -> None:
    torch.manual_seed(0)
    network = _Giving(given).eval()
    with pytest.raises(ResablateError, match=rf"^_Giving: its forward pass {said}") as caught:
        adapt(network)
    lines = re.findall(r"^    (.*)$", str(caught.value), re.MULTILINE)
    names: dict[str, Any] = {"torch": torch, "adapt": adapt, "network": network}
    exec("\n".join([*lines[:-1], f"adapted = {lines[-1]}"]), names)
    adapted = names["adapted"]
    assert isinstance(adapted, ResidualNetwork)
    with torch.no_grad():
        assert torch.equal(adapted(IMAGES), _logits(network))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda y, f: None, "gives nothing, and wanted"),
        (lambda y, f: SimpleNamespace(last_hidden_state=f), "gives a SimpleNamespace, and wanted"),
        (lambda y, f: 3.0, "gives a float, and wanted"),
    ],
    ids=["nothing", "features", "number"],
)
def test_an_output_without_logits(given: Callable[..., Any], said: str) -> None:
    with pytest.raises(ResablateError, match=rf"^_Giving: its forward pass {said}"):
        adapt(_Giving(given), IMAGES)


def test_logits_of_an_output_are_taken() -> None:
    """As of the outputs of transformers."""
    network = _Giving(lambda y, f: SimpleNamespace(logits=y, hidden_states=None)).eval()
    with torch.no_grad():
        assert torch.equal(adapt(network)(IMAGES), _logits(network))
