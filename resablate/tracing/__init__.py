"""A network of anybody's as a stem, a chain of blocks and a head: traced, taken apart at its additions, proved.

In the order of the work: `probing` finds images that it takes, `additions` sees in which modules activations are added,
`graph` traces those modules and no others, `splitting` takes the graph apart, `proof` compares.
"""

from __future__ import annotations

from torch import Tensor, nn

from resablate.errors import ResablateError
from resablate.model.network import ResidualNetwork
from resablate.tracing.adapted_block import AdaptedBlock as AdaptedBlock
from resablate.tracing.additions import find_merges, merged_sentence
from resablate.tracing.graph import trace
from resablate.tracing.outputs import logits_of as logits_of
from resablate.tracing.probing import probe_images as probe_images
from resablate.tracing.proof import prove as prove
from resablate.tracing.randomness import refuse_draws as refuse_draws
from resablate.tracing.splitting import split

HOW_TO_WRITE = "how to write such a network as Blocks: README, 'A network of your own'"


def chain_of(network: nn.Module, images: Tensor) -> ResidualNetwork:
    """`network` as a residual network that shares its parameters and buffers; not proved.

    Args:
        network: in eval mode; left as it is. It may be on `meta`.
        images: (2, ...) of what it takes.

    Raises:
        ResablateError: if it adds nothing, cannot be traced, or is no chain; the message names the module.
    """
    merges = find_merges(network, images)
    name = type(network).__name__
    if not any(merge.kind == "add" for merge in merges):
        raise ResablateError(
            f"{name}: no two activations of one shape are added anywhere{merged_sentence(merges)}, so there is no"
            " shortcut to dissect"
        )
    try:
        adding = {merge.place for merge in merges if merge.kind == "add"}
        return split(trace(network, adding, images), images)
    except ResablateError as error:
        raise ResablateError(f"{name}: {error}; {HOW_TO_WRITE}") from None
    except Exception as error:  # of forward passes that cannot be run in parts
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ResablateError(
            f"{name}: cannot be taken apart ({type(error).__name__}: {reason}); {HOW_TO_WRITE}"
        ) from None
