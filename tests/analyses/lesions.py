"""The lesion study by itself: every network without a block is run as a whole."""

from resablate.datasets import Examples
from resablate.measurement import AnalysisResult
from resablate.model import ResidualNetwork
from resablate.training.bootstrap import ResampledScores, standard_error
from tests.networks import lesion_routes


def assert_bits_of_whole_runs(result: AnalysisResult, network: ResidualNetwork, examples: Examples) -> None:
    """Holds what `lesion` gave against a network in eval mode."""
    count = len(network.chain)
    scores = ResampledScores(count)
    scores.start(examples.labels)
    for block in range(count):
        logits = network(examples.images, lesion_routes(network, block)).detach()
        scores.add([block], logits, examples.labels)
    assert result.table["loss"] == scores.losses()[:, 0].tolist()
    assert result.table["error"] == scores.errors()[:, 0].tolist()
    assert result.table["error_standard_error"] == standard_error(scores.errors()).tolist()
    assert result.table["loss_standard_error"] == standard_error(scores.losses()).tolist()
