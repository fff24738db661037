"""Which weights of a network are measured: its own, or those after one more step of its regularizer."""

import copy
from collections.abc import Callable

from resablate.analyses.interface import TrainedWith
from resablate.datasets import ExampleSource
from resablate.model import ResidualNetwork
from resablate.registry import Registry
from resablate.training.calibration import calibrated


def _as_is(network: ResidualNetwork, data: ExampleSource, trained_with: TrainedWith | None) -> ResidualNetwork:
    """The network as it was built or trained."""
    return network


def _projected(network: ResidualNetwork, data: ExampleSource, trained_with: TrainedWith | None) -> ResidualNetwork:
    """A copy after one projection by the regularizer that the network trains with, for certain.

    Batch norm's statistics are taken anew from the copy, since those of the weights before the projection do not fit
    what comes behind it. A network whose regularizer never projects, as one of frequency 0 or a penalty, is itself.
    """
    if trained_with is None:
        return network
    images, _ = next(data.take(slice(1)).batches(1))
    copied = copy.deepcopy(network)
    trained_with.build_regularizer(copied, images).project()
    before, after = network.state_dict(), copied.state_dict()
    if all(before[name].equal(after[name]) for name in before):
        return network
    return calibrated(copied, data)


WEIGHTS: Registry[Callable[[ResidualNetwork, ExampleSource, TrainedWith | None], ResidualNetwork]] = Registry(
    "choice of weights", "analysis_weights", {"as_is": _as_is, "projected": _projected}
)
"""The network, examples that it trains on, and how it trained -> the network that is measured.

The released code of Zaeemzadeh et al. 2020 projects after a step and never before the first, so training does neither;
but the network that its authors draw at the start of training is a projected one: ratios of 0.97, 1.00 and 1.00 where
an unprojected network has 0.57.
"""
