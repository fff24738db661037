"""The comparison with hooks: the same logits."""

import torch
import torchvision

from resablate.adapters import adapt
from tests.benchmarks.lesion_loops import branch_modules, by_hooks, by_routes


def test_both_loops_give_the_same_bits() -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.resnet50(num_classes=5).eval()
    images = torch.randn(2, 3, 32, 32)
    places = branch_modules("resnet50", theirs)
    with torch.no_grad():
        ours, hooks = by_routes(adapt(theirs), images), by_hooks(theirs, places, images)
    assert len(ours) == len(hooks) == 17
    assert all(map(torch.equal, ours, hooks))
