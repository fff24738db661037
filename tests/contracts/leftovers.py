"""What an analysis might leave behind in the network it is given."""

from typing import Any

import torch
from torch import Tensor, nn

from resablate.model import Block, ResidualNetwork
from tests.networks import make_network


def state_of(network: nn.Module) -> dict[str, Any]:
    tensors: dict[str, Tensor] = {name: value.clone() for name, value in network.state_dict().items()}
    return {
        "tensors": tensors,
        "modes": [module.training for module in network.modules()],
        "hooks": [
            (len(m._forward_hooks), len(m._backward_hooks), len(m._forward_pre_hooks)) for m in network.modules()
        ],
        "gradients": [(p.requires_grad, p.grad is None) for p in network.parameters()],
        "survival": [block.survival for block in network.modules() if isinstance(block, Block)],
        "random": torch.get_rng_state().clone(),
        "grad_enabled": torch.is_grad_enabled(),
    }


def assert_unchanged(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert before["tensors"].keys() == after["tensors"].keys()
    assert all(torch.equal(value, after["tensors"][name]) for name, value in before["tensors"].items())
    assert torch.equal(before["random"], after["random"])
    for part in ("modes", "hooks", "gradients", "survival", "grad_enabled"):
        assert before[part] == after[part], part


def half_trained(**fields: str) -> ResidualNetwork:
    """A network with mixed modes: training, but for one module; and with blocks that were left out at times."""
    network = make_network(**fields)
    for block, survival in zip(network.chain, (0.9, 1.0, 0.6), strict=True):
        block.survival = survival
    network.train()
    network.head.eval()
    return network
