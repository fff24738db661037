"""Lesion studies against running the whole network for each lesion, on the CPU.

Images are noise in the shape of CIFAR and weights are untrained: neither changes times or whether bits are equal.
As a program, `python -m tests.benchmarks.lesions DEPTH LESIONS EXAMPLES`, it prints the peak resident memory in GiB of
a process that makes so many single lesions, spread over the blocks, of a network on the first so many of 10,000 images.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from resablate.analyses import LESION_ARITHMETICS
from resablate.datasets import Examples
from resablate.model import ResidualNetwork, Step, folding, run_variants, without
from resablate.process_use import most_resident
from resablate.training.bootstrap import ResampledScores, score_variants
from tests.benchmarks.measuring import Bound, Row, interleaved
from tests.networks import make_generator, make_network, relative_gap

BATCH = 128
SETS_BATCH = 16
"""Of the 2,000 sets, which take minutes; a smaller batch favors the baseline, whose first stage then fits a cache."""
SIZES, SUBSETS, TIMED_ORDERS = 20, 100, 2
GIB_ALLOWED = 4.0
LOGITS_WITHIN = 1e-4
"""Folded from exact, as a part of the largest: that of an untrained network of 110 layers is about 10^8."""


def single_lesions(*, depth: int, exact: float, folded: float) -> list[Row]:
    """Both arithmetics; `exact` and `folded` are the ratios asked for."""
    network = _network(depth)
    count = len(network.chain) + 1
    one_by_one = [without(network, [block] if block < count - 1 else []) for block in range(count)]

    def run(arithmetic: str) -> ResampledScores:
        prepared = LESION_ARITHMETICS[arithmetic](network)
        return score_variants(network, _noise(BATCH), prepared, count=count)

    def whole() -> ResampledScores:
        return score_variants(network, _noise(BATCH), partial(_alone, network, one_by_one), count=count)

    expected = whole()
    assert torch.equal(run("exact").losses(), expected.losses())
    assert torch.allclose(run("folded").losses(), expected.losses(), rtol=1e-4)
    images = next(iter(_noise(BATCH).batches(BATCH)))[0]
    with torch.inference_mode():
        assert relative_gap(folding.folded(network)(images), network.eval()(images)) < LOGITS_WITHIN
    baseline, ours, ours_folded = interleaved(whole, partial(run, "exact"), partial(run, "folded"))
    named = f"{count - 1} single lesions, ResNet-{depth}, batch {BATCH}"
    evaluations = "one full evaluation per block"
    return [
        Row(f"{named}, exact (equal bit for bit)", evaluations, baseline, ours, exact),
        Row(
            f"{named}, folded (logits equal to {LOGITS_WITHIN:g} of the largest)",
            evaluations,
            baseline,
            ours_folded,
            folded,
        ),
    ]


def nested_sets() -> Row:
    """All sets of the nested design against full evaluations of a part of them, every size alike, and scaled."""
    network = _network(110)
    draw = make_generator()
    orders = [torch.randperm(len(network.chain), generator=draw).tolist() for _ in range(SUBSETS)]
    variants = [without(network, order[:size]) for order in orders for size in range(1, SIZES + 1)]
    sample = [without(network, order[:size]) for order in orders[:TIMED_ORDERS] for size in range(1, SIZES + 1)]
    examples = _noise(SETS_BATCH)

    def shared() -> ResampledScores:
        run = partial(run_variants, network, variants=variants)
        return score_variants(network, examples, run, count=len(variants))

    def alone() -> ResampledScores:
        return score_variants(network, examples, partial(_alone, network, sample), count=len(sample))

    baseline, ours = interleaved(alone, shared)
    return Row(
        f"{len(variants):,} nested sets of 1 to {SIZES} of 54 blocks, ResNet-110, batch {SETS_BATCH}, exact",
        f"one full evaluation per set, timed on {len(sample)} of the sets, every size alike, and scaled",
        baseline * len(variants) / len(sample),
        ours,
        2.5,
    )


def memory() -> list[Bound]:
    """Peak resident memory of lesion studies; more examples may not make it grow by more than a twentieth."""
    peak = "peak resident memory, "
    deep = _peak_gib(depth=1001, lesions=20, examples=BATCH)
    few, many = (_peak_gib(depth=14, lesions=6, examples=count) for count in (BATCH, 10_000))
    return [
        Bound(f"{peak}20 lesions spread over ResNet-1001, batch {BATCH}", deep, "GiB", GIB_ALLOWED),
        Bound(f"{peak}lesions of ResNet-14 on 10,000 images; on {BATCH}: {few:.2f} GiB", many, "GiB", 1.05 * few),
    ]


def _peak_gib(*, depth: int, lesions: int, examples: int) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.lesions", str(depth), str(lesions), str(examples)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _alone(
    network: ResidualNetwork, variants: Sequence[Sequence[Step]], images: Tensor
) -> Iterator[tuple[list[int], Tensor]]:
    """A full evaluation for each variant: the baseline."""
    for place, steps in enumerate(variants):
        yield [place], network(images, [route for _, route in steps])


def _network(depth: int) -> ResidualNetwork:
    network = {"name": "resnet", "block": "bottleneck", "transition": "projection"}
    bottlenecks = {"network": network, "ordering": "full_preactivation"}
    keywords: dict[str, Any] = bottlenecks if depth > 200 else {}
    return make_network(depth=depth, width=16, in_channels=3, num_classes=10, dtype=torch.float32, **keywords)


def _noise(count: int) -> Examples:
    draw = make_generator(1)
    images = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=draw)
    labels = torch.randint(10, (count,), generator=draw)
    return Examples(images, labels, torch.full((3, 1, 1), 0.5), torch.full((3, 1, 1), 0.25))


def _main() -> None:
    parser = argparse.ArgumentParser(description="Peak resident memory in GiB of single lesions.")
    for name in ("depth", "lesions", "examples"):
        parser.add_argument(name, type=int)
    asked = parser.parse_args()
    network, examples = _network(asked.depth), _noise(10_000)
    blocks = len(network.chain)
    removed = range(0, blocks, max(1, blocks // asked.lesions))[: asked.lesions]
    variants = [without(network, [block]) for block in removed]
    score_variants(
        network,
        examples.take(slice(asked.examples)),
        partial(run_variants, network, variants=variants),
        count=len(variants),
    )
    print((most_resident() or 0) / 2**30)


if __name__ == "__main__":
    _main()
