"""Batch norm's statistics for a network that has not trained."""

import copy

import torch

from resablate.datasets import ExampleSource
from resablate.model import ResidualNetwork
from resablate.training.batch_norm import batch_norms
from resablate.training.evaluation import EVALUATION_BATCH

_CALIBRATION_EXAMPLES = 2048
"""Enough for means and variances of every channel to about two percent."""


def calibrated(network: ResidualNetwork, examples: ExampleSource) -> ResidualNetwork:
    """A copy of `network` whose batch norm holds the statistics of `examples`.

    Before the first step running means are 0 and variances 1, so that in eval mode nothing is normalized and what
    reaches the last block grows with depth; no batch ever trains on such a network.

    Args:
        network: left as it is.
        examples: the first of them are used.
    """
    copied = copy.deepcopy(network)
    norms = batch_norms(copied)
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # the plain mean over batches
    with torch.no_grad():
        copied.eval()
        for module in norms:
            module.train()
        for images, _ in examples.take(slice(_CALIBRATION_EXAMPLES)).batches(EVALUATION_BATCH):
            if len(images) > 1:  # the variance of one example says nothing
                copied(images)
    for module, original in zip(norms, batch_norms(network), strict=True):
        module.momentum = original.momentum
    return copied.train(network.training)
