"""What is lost where a span of blocks is skipped, runs backwards, or runs in parallel.

Source: Lad et al., arXiv 2406.19384 (layers deleted, neighbors swapped); Gromov et al., arXiv 2403.17887 (spans
skipped); Sun et al., arXiv 2407.09298 (spans in parallel), of language models.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from resablate.analyses.by_kind import scores_by_kind
from resablate.analyses.interface import at_least_one, check_dissectable
from resablate.datasets import ExampleSource
from resablate.errors import AnalysisError
from resablate.measurement import AnalysisResult
from resablate.model import Block, ResidualNetwork, Route
from resablate.training.bootstrap import score_variants


def block_spans(
    network: ResidualNetwork,
    data: ExampleSource,
    *,
    generator: torch.Generator | None = None,
    length: Annotated[int, Ge(2)] = 2,
    examples: Annotated[int | None, Ge(1)] = None,
) -> AnalysisResult:
    """Error and loss with every span of neighboring blocks skipped, in reverse order, or in parallel.

    A span lies where no block changes dimensions. Skipped, all its branches are removed. Reversed, its blocks run from
    the last to the first: with two of them, the neighbors are swapped. In parallel, every branch sees what enters the
    span, and their sum is added once: what a span computes without one of its blocks acting on another.

    Args:
        network: in whatever mode; evaluated in eval mode.
        data: usually the test examples.
        generator: not used; the analysis draws nothing.
        length: of the spans, in blocks; that of the longest span there is, where none is so long.
        examples: use only the first so many; all where None.

    Returns:
        A row per span by its first `block`: `skip_error`, `reverse_error` and `parallel_error` (fractions), the same
        with `loss` (nats), each with its `..._standard_error` by bootstrap over examples. The summary has the whole
        network's `baseline_error` and `baseline_loss`, and of each kind the mean increase of both over the spans
        (`mean_error_increase_by_skip`, ...), with standard errors; and the number of `spans` and their `length`.

    Raises:
        AnalysisError: if every block changes dimensions, the network has no block, or a label is none of its classes.
        ValueError: if a number is less than 1.

    Source: arXiv 2406.19384, 2403.17887 and 2407.09298; there the outputs of a parallel span are averaged, here the
        branches are summed, as in the network itself.
    """
    at_least_one(length=length, examples=examples)
    chosen = data.take(slice(examples))
    check_dissectable(network, chosen)
    length = next((size for size in range(length, 0, -1) if _starts(network.chain, size)), 0)
    if not length:
        raise AnalysisError("a span is of blocks that keep dimensions, but every block here changes them")
    starts = _starts(network.chain, length)
    run = partial(_variants, network, starts, length)
    scores = score_variants(network, chosen, run, count=len(_KINDS) * len(starts) + 1)
    found = scores_by_kind(scores, _KINDS, places=len(starts))
    return AnalysisResult(
        summary={**found.summary, "spans": float(len(starts)), "length": float(length)},
        table={"block": starts, **found.columns},
        units={**found.units, "block": "1", "spans": "1", "length": "blocks"},
        axes=dict.fromkeys(found.axes, "block"),
    )


def _skip(span: Sequence[Block], x: Tensor) -> Tensor:
    for block in span:
        x = block(x, Route.SHORTCUT_ONLY)
    return x


def _reverse(span: Sequence[Block], x: Tensor) -> Tensor:
    for block in reversed(span):
        x = block(x)
    return x


def _parallel(span: Sequence[Block], x: Tensor) -> Tensor:
    total, added = span[0].addends(x)
    for block in span[1:]:
        added = added + block.addends(x).added
    return span[-1].after_add(total + added)


_KINDS: Mapping[str, Callable[[Sequence[Block], Tensor], Tensor]] = {
    "skip": _skip,
    "reverse": _reverse,
    "parallel": _parallel,
}


def _starts(chain: Sequence[Block], length: int) -> list[int]:
    return [
        start
        for start in range(len(chain) - length + 1)
        if not any(block.changes_dimension for block in chain[start : start + length])
    ]


def _variants(
    network: ResidualNetwork, starts: Sequence[int], length: int, images: Tensor
) -> Iterator[tuple[list[int], Tensor]]:
    """Logits of one batch for every kind and span, by kind and then by span; the whole network's last."""
    chain = network.chain
    x = network.stem(images)
    for index, block in enumerate(chain):
        if index in starts:
            for place, run in enumerate(_KINDS.values()):
                y = run(chain[index : index + length], x)
                for later in chain[index + length :]:
                    y = later(y)
                yield [place * len(starts) + starts.index(index)], network.head(y)
        x = block(x)
    yield [len(_KINDS) * len(starts)], network.head(x)
