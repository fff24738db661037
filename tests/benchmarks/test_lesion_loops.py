"""The comparison with hooks: the same logits, and what is asked of the ratios is on the committed page."""

import re

import torch
import torchvision

from resablate.adapters import adapt
from tests.benchmarks.lesion_loops import ASKED_OF_HOOKS, ASKED_OF_TORCHLENS, PAGE, branch_modules, by_hooks, by_routes
from tests.benchmarks.measuring import FOLDER


def test_both_loops_give_the_same_bits() -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.resnet50(num_classes=5).eval()
    images = torch.randn(2, 3, 32, 32)
    places = branch_modules("resnet50", theirs)
    with torch.no_grad():
        ours, hooks = by_routes(adapt(theirs), images), by_hooks(theirs, places, images)
    assert len(ours) == len(hooks) == 17
    assert all(map(torch.equal, ours, hooks))


def test_the_committed_page_has_both_networks_and_what_was_asked() -> None:
    """Beside hooks, and beside TorchLens as it comes."""
    text = (FOLDER / PAGE).read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if re.match(r"\| (resnet50|vit_b_16) ", line)]
    assert [row[1].strip() for row in rows] == ["resnet50", "vit_b_16"]
    assert all(float(row[6].split()[0]) >= ASKED_OF_HOOKS for row in rows)
    assert all(float(row[8].split()[0]) >= ASKED_OF_TORCHLENS for row in rows)
