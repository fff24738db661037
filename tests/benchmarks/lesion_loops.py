"""Lesion studies of other people's networks against a loop with hooks, and against TorchLens, on the CPU.

    python -m tests.benchmarks.lesion_loops [NAME ...]

writes reports/benchmarks/lesion_loops.md: both studies of the named networks (torchvision's ResNet-50 and ViT-B/16
where none is named) in one run, in turn, of one batch. Images are noise and weights untrained: neither changes times,
or whether bits are equal. TorchLens is optional: pip install torchlens.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from resablate.adapters import adapt
from resablate.model import ResidualNetwork, run_variants, without
from tests.benchmarks.measuring import FOLDER, Spent, machine, spent_in_turn

PAGE = "lesion_loops.md"
BATCH, ROUNDS = 1, 2
ASKED_OF_HOOKS, ASKED_OF_TORCHLENS = 1.8, 5.0
NETWORKS = ("resnet50", "vit_b_16")


def branch_modules(name: str, theirs: nn.Module) -> list[str]:
    """The last module of every branch, whose output a hook turns into zeros, from the input on."""
    names = [place for place, _ in theirs.named_modules()]
    if name.startswith("vit"):
        layers = [place for place in names if place.startswith("encoder.layers.") and place.count(".") == 2]
        return [f"{layer}.{part}" for layer in layers for part in ("dropout", "mlp")]
    return [place for place in names if place.endswith(".bn3")]


def by_hooks(theirs: nn.Module, places: Sequence[str], images: Tensor) -> list[Tensor]:
    """The usual loop: a hook that zeroes a branch, and the whole network again for each."""
    found: list[Tensor] = []
    for place in places:
        with _zeroed(theirs.get_submodule(place)):
            found.append(theirs(images))
    return [*found, theirs(images)]


@contextmanager
def _zeroed(module: nn.Module) -> Iterator[None]:
    hook = module.register_forward_hook(lambda _module, _inputs, output: torch.zeros_like(output))
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


def by_torchlens(theirs: nn.Module, places: Sequence[str], images: Tensor) -> list[Tensor]:
    """TorchLens: one trace of the network, and for each lesion a fork of it whose operations behind are replayed."""
    import torchlens
    from torchlens.options import CaptureOptions, InterventionOptions

    traced: Any = torchlens.trace(theirs, images, capture=CaptureOptions(intervention_ready=True))
    replay = InterventionOptions(engine="replay")
    found: list[Tensor] = []
    for place in places:
        fork = traced.fork(place)
        done = fork.do(torchlens.module(place), torchlens.zero_ablate(), intervention=replay)
        found.append(done[done.output_layers[0]].out)
    return [*found, traced[traced.output_layers[0]].out]


def compare(name: str, *, batch: int = BATCH, rounds: int = ROUNDS, side: int = 224) -> str:
    """A row of the page: both studies against ours; stops where a number differs."""
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(name).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():  # a head of zeros would make all logits equal
            parameter.add_(0.01 * torch.randn(parameter.shape))
    network, places = adapt(theirs), branch_modules(name, theirs)
    images = torch.randn(batch, 3, side, side)
    expected: list[list[Tensor]] = []
    found: list[list[Tensor]] = []
    with torch.no_grad():
        spent = spent_in_turn(
            lambda: expected.append(by_hooks(theirs, places, images)),
            lambda: found.append(by_routes(network, images)),
            rounds=rounds,
        )
        assert len({float(logits.sum()) for logits in expected[-1]}) == len(places) + 1, "lesions differ"
        assert all(map(torch.equal, found[-1], expected[-1])), "equal bit for bit"
        lens = _torchlens(theirs, places, images, expected[-1])
    return _row(name, len(places), batch, spent, lens)


def _torchlens(theirs: nn.Module, places: Sequence[str], images: Tensor, expected: Sequence[Tensor]) -> Spent | None:
    try:
        import torchlens  # noqa: F401
    except ImportError:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: list[list[Tensor]] = []
        (spent,) = spent_in_turn(lambda: found.append(by_torchlens(theirs, places, images)), rounds=1)
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(found[0], expected, strict=True))
    return spent


def _row(name: str, lesions: int, batch: int, spent: Sequence[Spent], lens: Spent | None) -> str:
    hooks, ours = spent
    cells = [name, lesions, batch, f"{ours.cpu:.1f}", f"{hooks.cpu:.1f}"]
    cells += [f"{hooks.cpu / ours.cpu:.2f} ({hooks.wall / ours.wall:.2f})", ASKED_OF_HOOKS]
    if lens is None:
        cells += ["not installed", "-", ASKED_OF_TORCHLENS]
    else:
        ratios = f"{lens.cpu / ours.cpu:.1f} ({lens.wall / ours.wall:.1f})"
        cells += [f"{lens.cpu:.1f}", ratios, ASKED_OF_TORCHLENS]
    return f"| {' | '.join(map(str, cells))} |"


HEAD = """# Lesion studies of other people's networks

Written by `python -m tests.benchmarks.lesion_loops`. Every branch removed in turn, and the whole network, of one batch
of noise in torchvision's size. *Hooks*: a forward hook that gives zeros, and the whole network again for each branch;
ours is equal to it bit for bit, which the script checks. *TorchLens*: one trace, and for each branch a fork whose
operations behind it are replayed, the trace included; its logits agree to rounding. Seconds are those of the process's
threads, the least of {rounds} runs in turn (of one for TorchLens); ratios of wall time in brackets.

| network | branches | batch | ours (s) | hooks (s) | ratio | asked | TorchLens (s) | ratio | asked |
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
    text = HEAD.format(rounds=ROUNDS) + "\n".join(rows[name] for name in NETWORKS if name in rows)
    page.write_text(f"{text}\n\nOne thread. {machine()}.\n", encoding="utf-8")
    print(page.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(sys.argv[1:])
