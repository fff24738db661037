"""Many variants of one network, each block computed once for all variants that begin alike."""

from collections.abc import Iterator, Sequence

from torch import Tensor

from resablate.model.network import ResidualNetwork
from resablate.model.route import Route

Step = tuple[int, Route]
"""A block, counted from 0 at the input, and what passes it."""


def without(network: ResidualNetwork, removed: Sequence[int]) -> tuple[Step, ...]:
    """The steps through `network` with the branches of the blocks in `removed` left out."""
    gone = frozenset(removed)
    return tuple((i, Route.SHORTCUT_ONLY if i in gone else Route.BOTH) for i in range(len(network.chain)))


def run_variants(
    network: ResidualNetwork, images: Tensor, variants: Sequence[Sequence[Step]]
) -> Iterator[tuple[list[int], Tensor]]:
    """Logits (B, classes) of `images` (B, C, H, W) for every variant, in no promised order.

    What a variant computes at a place depends on its steps up to there alone, so variants are grouped by their next
    step and the groups run one after the other, depth first. Each does the operations that running it alone does:
    the logits are the same bit for bit. The largest group runs last, when the activation that the groups started from
    is needed no more: of n variants at most log2(n) activations wait at once, one for single lesions.

    Args:
        network: in eval mode.
        images: normalized.
        variants: at least one, with equally many steps.

    Yields:
        The places in `variants` of those that are equal, and their logits.
    """
    chain = network.chain

    def walk(x: Tensor, members: list[int], place: int) -> Iterator[tuple[list[int], Tensor]]:
        for at in range(place, len(variants[0])):
            groups: dict[Step, list[int]] = {}
            for member in members:
                groups.setdefault(variants[member][at], []).append(member)
            *smaller, ((block, route), members) = sorted(groups.items(), key=lambda group: len(group[1]))
            for (other, its_route), few in smaller:
                yield from walk(chain[other](x, its_route), few, at + 1)
            x = chain[block](x, route)
        yield members, network.head(x)

    yield from walk(network.stem(images), list(range(len(variants))), 0)
