"""What one pass tells of each block, and whether it foretells what is lost with the block.

Source: "Where Redundancy Lives: Stage-Aware Block Saliency in Skip-Connected Models", ICLR 2026 submission 25281
(OpenReview xalTjNXVHb): that blocks are redundant is explained by low novelty relative to the skip path rather than by
low magnitude.
"""

import math
from collections.abc import Mapping
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor
from torch.nn import functional

from resablate.analyses.interface import at_least_one, check_dissectable
from resablate.analyses.ranks import rank_correlation
from resablate.datasets import ExampleSource
from resablate.measurement import CORRELATION, INCREASE, PART, POSITIVE, AnalysisResult, Bounds, differences_of
from resablate.model import ResidualNetwork, evaluation_mode, run_variants, without
from resablate.training.bootstrap import REPLICATES, standard_error
from resablate.training.evaluation import LESION_BATCH

SALIENCY_BOUNDS: Mapping[str, Bounds] = {
    "baseline_error": PART,
    "baseline_loss": POSITIVE,
    "error_increase": INCREASE,
    "*_correlation": CORRELATION,
    "*cosine": CORRELATION,
    "novelty_advantage": differences_of(CORRELATION),
    **dict.fromkeys(("*magnitude", "*change", "*novelty", "gradient_product"), POSITIVE),
}
"""Of its numbers and columns."""
_BATCH = 32
"""Examples whose addends and gradients at all blocks are in memory at once."""
_FEWEST_BLOCKS = 3
"""Two blocks are always in an order or its reverse."""
_SALIENCIES = {
    "magnitude": "1",
    "change": "1",
    "cosine": "1",
    "novelty": "1",
    "gradient_product": "nats",
    "first_order": "nats",
}
"""Name -> unit."""
_INCREASES = {"error_increase": "fraction", "loss_increase": "nats"}


def saliency(
    network: ResidualNetwork,
    data: ExampleSource,
    *,
    generator: torch.Generator,
    examples: Annotated[int | None, Ge(1)] = None,
) -> AnalysisResult:
    """How much each block changes the signal that it carries, and how well that ranks the blocks by their lesions.

    In a block that adds a (its branch) to c (what it carries), with g the gradient of an example's loss E with respect
    to c + a, and Euclidean norms and products over channels and pixels:

    * `magnitude` = ||a||;
    * `change` = ||a|| / ||c||;
    * `cosine` = <a, c> / (||a|| ||c||);
    * `novelty` = ||a - <a, c> c / ||c||^2|| / ||c||, the part of the change that is new to the carried signal:
      change * sqrt(1 - cosine^2);
    * `gradient_product` = ||g|| ||a||, the most by which E can change to first order;
    * `first_order` = -<g, a>, by how much E grows to first order when a is removed.

    All come from one pass forward and back, where the lesions that they are compared with take a pass for every second
    block. Batch norm is in eval mode, so that examples do not couple.

    Args:
        network: in whatever mode.
        data: usually the test examples.
        generator: resamples the examples for the standard errors.
        examples: use only the first so many; all where None.

    Returns:
        A row per `block`: the six above as means over examples, NaN for what needs a carried signal where a block
        carries none; `error_increase` (fraction) and `loss_increase` (nats) of the network without the block's branch,
        as `lesion` has them, on the same examples; and whether the block `changes_dimension` (0 or 1). The summary has
        the whole network's `baseline_error` and `baseline_loss`; the mean over blocks of change, cosine and novelty;
        and of every saliency `NAME_rank_correlation` with the increase of the loss and `NAME_error_rank_correlation`
        with that of the error: Spearman's, over the blocks where it is known, 0 where one of both is equal for all;
        left out where fewer than three blocks are. `novelty_advantage` is the rank correlation of novelty with the
        increase of the loss less that of magnitude. Every number has its `..._standard_error` by bootstrap over
        examples, lesions and saliencies in the same resamples; noise draws rank correlations towards 0.

    Raises:
        AnalysisError: if the network has no block, or a label is none of its classes.
        ValueError: if a number is less than 1.

    Source: OpenReview xalTjNXVHb for novelty against magnitude, whose formula this project chose; Molchanov et al.,
        arXiv 1611.06440, for the first order; Veit et al. 2016, section 4.1, for lesions.
    """
    at_least_one(examples=examples)
    chosen = data.take(slice(examples))
    check_dissectable(network, chosen)
    with evaluation_mode(network):
        batches = [_saliencies(network, *batch) for batch in chosen.batches(_BATCH)]
        wrong, losses = _lesioned(network, chosen)
    drawn = _counts(len(chosen), generator)
    columns = {name: _means(torch.cat([batch[name] for batch in batches], dim=1), drawn) for name in _SALIENCIES}
    columns |= {"error_increase": _means(wrong[:-1] - wrong[-1], drawn)}
    columns |= {"loss_increase": _means(losses[:-1] - losses[-1], drawn)}
    numbers = {
        "baseline_error": _means(wrong[-1:], drawn)[0],
        "baseline_loss": _means(losses[-1:], drawn)[0],
        **_over_blocks(columns),
    }
    changes = [float(block.changes_dimension) for block in network.chain]
    table = {
        "block": list(range(len(changes))),
        **{name: values[:, 0].tolist() for name, values in columns.items()},
        **{f"{name}_standard_error": standard_error(values).tolist() for name, values in columns.items()},
        "changes_dimension": changes,
    }
    units = {**_SALIENCIES, **_INCREASES, "baseline_error": "fraction", "baseline_loss": "nats"}
    units |= {f"{name}_standard_error": unit for name, unit in units.items()}
    summary = {
        **{name: float(values[0]) for name, values in numbers.items()},
        **{f"{name}_standard_error": float(standard_error(values)) for name, values in numbers.items()},
    }
    return AnalysisResult(
        summary=summary,
        table=table,
        units={name: units.get(name, "1") for name in (*summary, *table)},
        axes=dict.fromkeys(columns, "block"),
    )


def _saliencies(network: ResidualNetwork, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Each saliency of every block and example, (n, B) in double precision; NaN where there is none."""
    images = images.detach().requires_grad_()
    sums: list[Tensor] = []
    products: list[Tensor] = []
    branches: list[Tensor] = []
    with torch.enable_grad():
        x = network.stem(images)
        for block in network.chain:
            carried, added = block.addends(x)
            total = carried + added
            sums.append(total)
            c, a = (side.detach().double().flatten(1) for side in (carried, added))
            products.append(torch.stack([(a * a).sum(dim=1), (a * c).sum(dim=1), (c * c).sum(dim=1)]))
            branches.append(added.detach())
            x = block.after_add(total)
        loss = functional.cross_entropy(network.head(x), labels, reduction="sum")
        gradients = torch.autograd.grad(loss, sums, materialize_grads=True)
    pairs = [(g.double().flatten(1), a.double().flatten(1)) for g, a in zip(gradients, branches, strict=True)]
    aa, ac, cc = torch.stack(products, dim=1)
    # A signal that is not there has no direction, and nothing is large beside it.
    carried_norm = torch.where(cc > 0, cc, math.nan).sqrt()
    added_norm = aa.sqrt()
    along = ac / carried_norm
    found = {
        "magnitude": added_norm,
        "change": added_norm / carried_norm,
        "cosine": along / torch.where(aa > 0, added_norm, math.nan),
        "novelty": (aa - along.square()).clamp_min(0).sqrt() / carried_norm,
        "gradient_product": torch.stack([g.norm(dim=1) for g, _ in pairs]) * added_norm,
        "first_order": -torch.stack([(g * a).sum(dim=1) for g, a in pairs]),
    }
    return {name: values.cpu() for name, values in found.items()}


def _lesioned(network: ResidualNetwork, data: ExampleSource) -> tuple[Tensor, Tensor]:
    """Which examples are classified wrongly, and their losses in nats, without each block: (n+1, N), the whole last."""
    count = len(network.chain)
    variants = [without(network, [place] if place < count else []) for place in range(count + 1)]
    wrong: list[Tensor] = []
    losses: list[Tensor] = []
    with torch.inference_mode():
        for images, labels in data.batches(LESION_BATCH):
            batch = torch.zeros(2, count + 1, len(labels), dtype=torch.float64)
            for places, logits in run_variants(network, images, variants):
                batch[0, places] = (logits.argmax(dim=1) != labels).double().cpu()
                batch[1, places] = functional.cross_entropy(logits.double(), labels, reduction="none").cpu()
            wrong.append(batch[0])
            losses.append(batch[1])
    return torch.cat(wrong, dim=1), torch.cat(losses, dim=1)


def _over_blocks(columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Means over blocks, and rank correlations with the lesions: (1 + resamples,) each."""
    numbers: dict[str, Tensor] = {}
    for name in _SALIENCIES:
        known = ~columns[name][:, 0].isnan()
        if name in ("change", "cosine", "novelty") and known.any():
            numbers[f"mean_{name}"] = columns[name][known].mean(dim=0)
        if int(known.sum()) >= _FEWEST_BLOCKS:
            for lesion, part in (("loss_increase", ""), ("error_increase", "error_")):
                numbers[f"{name}_{part}rank_correlation"] = rank_correlation(
                    columns[name][known], columns[lesion][known]
                )
    if "novelty_rank_correlation" in numbers:
        numbers["novelty_advantage"] = numbers["novelty_rank_correlation"] - numbers["magnitude_rank_correlation"]
    return numbers


def _counts(examples: int, generator: torch.Generator) -> Tensor:
    """How often each example counts, (N, 1 + resamples) in double precision; column 0 counts each once."""
    columns = [torch.ones(examples)]
    for _ in range(REPLICATES):
        drawn = torch.randint(examples, (examples,), generator=generator)
        columns.append(torch.bincount(drawn, minlength=examples).float())
    counts = torch.stack(columns, dim=1).double()
    if examples < 2:  # noqa: PLR2004 - a deviation needs two: resamples of one example all are that one
        counts[:, 1:] = math.nan
    return counts


def _means(values: Tensor, counts: Tensor) -> Tensor:
    """Means (n, 1 + resamples) of `values` (n, N) over the examples where there is one."""
    return (values.nan_to_num(0.0) @ counts) / ((~values.isnan()).double() @ counts)
