"""What is lost with each block.

Source: Veit et al. 2016, section 4.1, Figures 3 and 4.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor

from resablate.analyses.interface import at_least_one, check_dissectable
from resablate.datasets import ExampleSource
from resablate.measurement import ANY, INCREASE, PART, POSITIVE, AnalysisResult, Bounds
from resablate.model import ResidualNetwork, Route, folded, run_variants, without
from resablate.registry import Registry
from resablate.training.bootstrap import score_variants, standard_error

LESION_BOUNDS: Mapping[str, Bounds] = {
    "*error": PART,
    "*_loss_increase": ANY,
    "*increase*": INCREASE,
    "*loss": POSITIVE,
}
"""Of its numbers and columns."""
Lesions = Callable[[Tensor], Iterator[tuple[list[int], Tensor]]]
"""Images -> logits of some lesions, until all are through: block removed (n: none), logits (B, classes)."""

_TOGETHER_BYTES = {"cpu": 2**22}
_TOGETHER_BYTES_ELSEWHERE = 2**28
"""Lesions run as one batch while what enters a block is at most so large. A CPU gains an eighth from it with 32 images
at 4 MiB, hardly anything with 128, and loses at 16 MiB (measured, ResNet-56); elsewhere the time of launching kernels
counts, so much that whole batches should run together (not measured)."""


def _exact(network: ResidualNetwork) -> Lesions:
    """Every operation as in the whole network: equal bit for bit to running it for each block."""
    count = len(network.chain)
    return partial(
        run_variants, network, variants=[without(network, [i] if i < count else []) for i in range(count + 1)]
    )


def _folded(network: ResidualNetwork) -> Lesions:
    """Batch norm folded into convolutions, small batches run together: faster, equal but for rounding."""
    lean = folded(network)
    if all(parameter.device.type == "cpu" for parameter in lean.parameters()):
        # Convolutions of 16 channels take a quarter to a third less time (measured with AVX2 and AVX-512).
        lean = lean.to(memory_format=torch.channels_last)
    return partial(_run_together, lean)


def _run_together(network: ResidualNetwork, images: Tensor) -> Iterator[tuple[list[int], Tensor]]:
    chain = network.chain
    most = _TOGETHER_BYTES.get(images.device.type, _TOGETHER_BYTES_ELSEWHERE)
    x = network.stem(images)
    waiting: list[int] = []
    together = x[:0]
    for index, block in enumerate(chain):
        lesioned = block(x, Route.SHORTCUT_ONLY)
        x = block(x)
        together = torch.cat([block(together), lesioned]) if waiting else lesioned
        waiting.append(index)
        if index == len(chain) - 1 or (together.numel() + lesioned.numel()) * x.element_size() > most:
            for later in chain[index + 1 :]:
                together = later(together)
            for removed, logits in zip(waiting, network.head(together).split(len(images)), strict=True):
                yield [removed], logits
            waiting = []
    yield [len(chain)], network.head(x)


LESION_ARITHMETICS: Registry[Callable[[ResidualNetwork], Lesions]] = Registry(
    "lesion_arithmetic", "lesion_arithmetics", {"exact": _exact, "folded": _folded}
)


def lesion(
    network: ResidualNetwork,
    data: ExampleSource,
    *,
    generator: torch.Generator | None = None,
    examples: Annotated[int | None, Ge(1)] = None,
    arithmetic: Annotated[str, LESION_ARITHMETICS] = "exact",
) -> AnalysisResult:
    """Error and loss of the network with each block's branch removed in turn.

    The shortcut (or its matching of dimensions) stays, and what follows the addition still acts; nothing is retrained.
    The blocks before the removed one compute the same as ever, so each batch walks through them once.

    Args:
        network: in whatever mode; evaluated in eval mode.
        data: usually the test examples.
        generator: not used; the analysis draws nothing.
        examples: use only the first so many; all where None.
        arithmetic: a row of LESION_ARITHMETICS.

    Returns:
        A row per block: `error` (fraction) and `loss` (nats) against `block` with their standard errors, and whether
        it `changes_dimension` (0 or 1). The summary has the whole network's error and loss; mean and worst error
        with one block removed; mean and worst increase of the error, the mean also over the blocks that change
        dimensions and over the others (left out where there are none); and the mean increase of the loss; each with
        its standard error. Standard errors are those of a sample of examples, by bootstrap; increases are paired, and
        the worst block is chosen anew in every resample.

    Raises:
        AnalysisError: if the network has no block, or a label is none of its classes.
        ValueError: if a number is less than 1.
        UnknownName: if there is no such arithmetic.

    Source: Veit et al. 2016, section 4.1.
    """
    at_least_one(examples=examples)
    chosen = data.take(slice(examples))
    check_dissectable(network, chosen)
    lesions = LESION_ARITHMETICS[arithmetic](network)
    scores = score_variants(network, chosen, lesions, count=len(network.chain) + 1)
    changes = [block.changes_dimension for block in network.chain]
    errors, losses = scores.errors(), scores.losses()
    summary = _summary(errors, losses, torch.tensor(changes))
    table = {
        "block": list(range(len(changes))),
        "error": errors[:-1, 0].tolist(),
        "error_standard_error": standard_error(errors[:-1]).tolist(),
        "loss": losses[:-1, 0].tolist(),
        "loss_standard_error": standard_error(losses[:-1]).tolist(),
        "changes_dimension": [float(change) for change in changes],
    }
    plain = dict.fromkeys(("block", "changes_dimension"), "1")
    measured = {name: "nats" if "loss" in name else "fraction" for name in (*summary, *table)}
    return AnalysisResult(
        summary=summary, table=table, units={**measured, **plain}, axes={"error": "block", "loss": "block"}
    )


def _summary(errors: Tensor, losses: Tensor, changes: Tensor) -> dict[str, float]:
    """Of errors and losses (blocks + 1, 1 + resamples), the whole network's last."""
    removed, baseline = errors[:-1], errors[-1]
    increases = removed - baseline
    numbers = {
        "baseline_error": baseline,
        "mean_error": removed.mean(dim=0),
        "mean_increase": increases.mean(dim=0),
        "worst_error": removed.amax(dim=0),
        "worst_increase": increases.amax(dim=0),
        "baseline_loss": losses[-1],
        "mean_loss_increase": (losses[:-1] - losses[-1]).mean(dim=0),
    }
    parts = {"mean_increase_same_dimension": ~changes, "mean_increase_dimension_change": changes}
    numbers |= {name: increases[part].mean(dim=0) for name, part in parts.items() if part.any()}
    return {
        **{name: float(values[0]) for name, values in numbers.items()},
        **{f"{name}_standard_error": float(standard_error(values)) for name, values in numbers.items()},
    }
