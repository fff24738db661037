"""Lesion studies of other people's networks against a loop with hooks, and against TorchLens, on the CPU.

    python -m tests.benchmarks.lesion_loops [NAME ...]

writes reports/benchmarks/lesion_loops.md: all studies of the named networks (torchvision's ResNet-50 and ViT-B/16
where none is named) in one run, in turn, of one image. Images are noise and weights untrained: neither changes times,
or whether bits are equal. TorchLens (pip install torchlens) makes the study by its own function for it, `site_sweep`,
with both of its engines: the default, which runs the network anew for each lesion, and the replay of saved operations.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from resablate.adapters import adapt
from resablate.model import ResidualNetwork, run_variants, without
from tests.benchmarks.measuring import FOLDER, Spent, machine, spent_in_turn

PAGE = "lesion_loops.md"
ASKED_OF_HOOKS, ASKED_OF_TORCHLENS = 1.8, 5.0
NETWORKS = ("resnet50", "vit_b_16")
ENGINES = {"live_hook": 2, "replay": None}
"""Of TorchLens, the default first: how many lesions are timed, spread evenly; all where None."""


def branch_modules(name: str, theirs: nn.Module) -> list[str]:
    """The last module of every branch, whose output a hook turns into zeros, from the input on."""
    names = [place for place, _ in theirs.named_modules()]
    if name.startswith("vit"):
        layers = [place for place in names if place.startswith("encoder.layers.") and place.count(".") == 2]
        return [f"{layer}.{part}" for layer in layers for part in ("dropout", "mlp")]
    return [place for place in names if place.endswith(".bn3")]


def lens_modules(name: str, places: Sequence[str]) -> list[str]:
    """The same branches as TorchLens is told them: its default engine passes a dropout by that does nothing."""
    if name.startswith("vit"):
        return [place.replace(".dropout", ".self_attention").replace(".mlp", ".mlp.3") for place in places]
    return list(places)


def by_hooks(theirs: nn.Module, places: Sequence[str], images: Tensor) -> list[Tensor]:
    """The usual loop: a hook that zeroes a branch, and the whole network again for each."""
    found: list[Tensor] = []
    for place in places:
        with _zeroed(theirs.get_submodule(place)):
            found.append(theirs(images))
    return [*found, theirs(images)]


@contextmanager
def _zeroed(module: nn.Module) -> Generator[None]:
    def zeros(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return torch.zeros_like(output)

    hook = module.register_forward_hook(zeros)
    try:
        yield
    finally:
        hook.remove()


def by_routes(network: ResidualNetwork, images: Tensor) -> list[Tensor]:
    """Ours: every block computed once for all lesions behind it."""
    count = len(network.chain)
    variants = [without(network, [place] if place < count else []) for place in range(count + 1)]
    found: dict[int, Tensor] = {}
    for places, logits in run_variants(network, images, variants):
        found |= dict.fromkeys(places, logits)
    return [found[place] for place in range(count + 1)]


def by_torchlens(theirs: nn.Module, places: Sequence[str], images: Tensor, *, engine: str) -> list[Tensor]:
    """TorchLens's study of sites: one trace of the network, and for each lesion a fork of it by `engine`."""
    import torchlens
    from torchlens.experiment import site_sweep
    from torchlens.options import CaptureOptions

    found: list[Tensor] = []

    def kept(trace: Any) -> float:
        found.append(trace[trace.output_layers[0]].out)
        return float(found[-1].sum())

    traced: Any = torchlens.trace(theirs, images, capture=CaptureOptions(intervention_ready=True))
    if not places:
        return [traced[traced.output_layers[0]].out]
    site_sweep(
        traced,
        candidates={place: torchlens.module(place) for place in places},
        edit=torchlens.zero_ablate(),
        metric=kept,
        retain="none",
        engine=engine,
        model=theirs if engine == "live_hook" else None,
        x=images if engine == "live_hook" else None,
    )
    return [*found[1:], found[0]]


def product_rate() -> float:
    """Operations in a second of one thread, in the product of two large matrices: what no network computes faster."""
    side = 3000
    left, right = torch.randn(2, side, side)
    (spent,) = spent_in_turn(lambda: left @ right, rounds=3)
    return 2 * side**3 / spent.cpu


def compare(name: str, *, side: int = 224) -> str:
    """A row of the page: all studies against ours; stops where a number differs."""
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(name).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():  # a head of zeros would make all logits equal
            parameter.add_(0.01 * torch.randn(parameter.shape))
    network, places = adapt(theirs), branch_modules(name, theirs)
    images = torch.randn(1, 3, side, side)
    expected: list[list[Tensor]] = []
    found: list[list[Tensor]] = []
    with torch.no_grad():
        spent = spent_in_turn(
            lambda: expected.append(by_hooks(theirs, places, images)),
            lambda: found.append(by_routes(network, images)),
            rounds=1,
        )
        assert len({float(logits.sum()) for logits in expected[-1]}) == len(places) + 1, "lesions differ"
        assert all(map(torch.equal, found[-1], expected[-1])), "equal bit for bit"
        lens = [_torchlens(theirs, lens_modules(name, places), images, expected[-1], engine) for engine in ENGINES]
        floor = _operations(network, images) / product_rate()
    return _row(name, len(places), spent, lens, floor)


def _operations(network: ResidualNetwork, images: Tensor) -> int:
    """Multiplications and additions of the products in the whole study."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # whose products torch does not count
    try:
        with FlopCounterMode(display=False) as counter:
            by_routes(network, images)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return counter.get_total_flops()


def _torchlens(
    theirs: nn.Module, places: Sequence[str], images: Tensor, expected: Sequence[Tensor], engine: str
) -> Spent | None:
    """Of the whole study; where some lesions alone are timed, each of the others counts as much as one of them."""
    try:
        importlib.import_module("torchlens")
    except ImportError:
        return None
    timed = ENGINES[engine] or len(places)
    chosen = list(range(len(places)))[:: len(places) // timed][:timed]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: list[list[Tensor]] = []

        def study(sites: Sequence[str]) -> None:
            found.append(by_torchlens(theirs, sites, images, engine=engine))

        alone, with_sites = spent_in_turn(partial(study, []), partial(study, [places[i] for i in chosen]), rounds=1)
    for place, logits in zip([*chosen, -1], found[-1], strict=True):
        assert torch.allclose(logits, expected[place], rtol=1e-3, atol=1e-4)
    share = len(places) / timed
    wall, cpu = (
        one + share * (some - one) for one, some in ((alone.wall, with_sites.wall), (alone.cpu, with_sites.cpu))
    )
    return Spent(wall, cpu)


def _row(name: str, lesions: int, spent: Sequence[Spent], lens: Sequence[Spent | None], floor: float) -> str:
    hooks, ours = spent
    cells = [name, lesions, f"{ours.cpu:.1f}", f"{floor:.1f}"]
    for other in (hooks, *lens):
        cells += ["not installed", "-"] if other is None else [f"{other.cpu:.1f}", _ratio(other, ours)]
    return f"| {' | '.join(map(str, cells))} |"


def _ratio(other: Spent, ours: Spent) -> str:
    return f"{other.cpu / ours.cpu:.2f} ({other.wall / ours.wall:.2f})"


HEAD = """# Lesion studies of other people's networks

Written by `python -m tests.benchmarks.lesion_loops`. Every branch removed in turn, and the whole network, of one image
of noise in torchvision's size. Seconds are those of the process's threads, in one run of each in
turn; ratios are to ours, of wall time in brackets.

* *Hooks*: a forward hook that gives zeros, and the whole network again for each branch: {hooks} times ours is asked.
  Ours is equal to it bit for bit, which the script checks.
* *TorchLens*: its own function for such a study, `torchlens.experiment.site_sweep`, the trace before it included. It
  gives the same logits to rounding. Its default engine runs the network anew, hooked and traced, for each lesion:
  {lens} times ours is asked; {sampled} lesions are timed, and the others count as much. Its other engine, replay, runs
  the saved operations behind the lesion alone, as ours does.
* *Floor*: the multiplications and additions of our study at the rate at which this processor multiplies two matrices of
  3000 x 3000. Each lesion changes all that is behind it, so a study that computes every block whole needs no fewer:
  where the floor is more than a fifth of replay's time, as for ViT-B/16, none can be five times faster than replay.

| network | branches | ours (s) | floor (s) | hooks (s) | ratio | TorchLens (s) | ratio | replay (s) | ratio |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
"""


def main(names: Sequence[str] = NETWORKS) -> None:
    """Run the named networks and write the page; the row of one that is not run stays as it was."""
    torch.set_num_threads(1)
    page = FOLDER / PAGE
    kept = page.read_text(encoding="utf-8").splitlines() if page.is_file() else []
    rows = {line.split()[1]: line for line in kept if line.startswith(tuple(f"| {name} " for name in NETWORKS))}
    for name in names or NETWORKS:
        rows[name] = compare(name)
    head = HEAD.format(hooks=ASKED_OF_HOOKS, lens=ASKED_OF_TORCHLENS, sampled=ENGINES["live_hook"])
    text = head + "\n".join(rows[name] for name in NETWORKS if name in rows)
    page.write_text(f"{text}\n\nOne thread. {machine()}.\n", encoding="utf-8")
    print(page.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(sys.argv[1:])
