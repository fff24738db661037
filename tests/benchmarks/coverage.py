"""Which networks of other packages can be adapted, and what each analysis gives of them.

    python -m tests.benchmarks.coverage [NAME ...]

writes reports/coverage.md from reports/coverage.json, where every network is kept as soon as it is known; those that
are kept are not run again, unless they are named. Weights are untrained, and so small random numbers are added to them
that nothing is hidden by a zero; images are noise.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from resablate.adapters import adapt, pretrained_builder
from resablate.analyses import ANALYSES
from resablate.datasets import Examples
from resablate.errors import ResablateError
from resablate.model import ResidualNetwork
from resablate.tracing import logits_of, probe_images
from tests.adapters.families import FAMILIES, QUICK
from tests.benchmarks.measuring import machine
from tests.networks import make_generator

FOLDER = Path(__file__).parents[2] / "reports"
PAGE, FIGURES = "coverage.md", "coverage.json"
REFUSED = (
    *("torchvision:vgg11", "torchvision:densenet121", "torchvision:googlenet", "torchvision:shufflenet_v2_x0_5"),
    *("timm:vovnet39a", "timm:hrnet_w18_small", "timm:dla34", "timm:cspresnet50", "timm:rexnet_100"),
    *("timm:cait_xxs24_224", "timm:coat_lite_tiny", "timm:tiny_vit_5m_224", "timm:mobilevit_xxs"),
)
"""Networks that are no chain, or cannot be traced: what is said of them is part of the page."""
DISSECTED = (
    *(*QUICK, "torchvision:resnet18", "timm:resnetv2_18", "timm:eca_nfnet_l0", "timm:vit_tiny_patch16_224"),
    *("timm:swin_tiny_patch4_window7_224", "timm:tf_efficientnet_b0", "timm:darknet53", "huggingface:resnet"),
)
"""Networks small enough for all analyses, one of each family at least."""
ASKED: dict[str, dict[str, Any]] = {
    "test": {},
    "lesion": {},
    "multi_lesion": {"largest": 2, "subsets": 2},
    "reorder": {"swaps": 2, "samples": 2},
    "branch_ablation": {},
    "block_spans": {},
    "saliency": {},
    "path_count": {},
    "path_gradient": {"samples": 1, "signs": 1},
    "norm_preservation": {},
    "spectrum": {},
    "linear_spectrum": {},
    "test_time_rules": {"subsets": 2},
}
"""Analysis -> arguments, few of everything."""
_CLASSES, _EXAMPLES = 10, 4
Kept = dict[str, dict[str, Any]]


def measure(name: str, *, analyses: Sequence[str]) -> dict[str, Any]:
    """What is known of one network: blocks, whether bits are equal, seconds, and why something is refused."""
    torch.manual_seed(0)
    theirs = pretrained_builder(name)(num_classes=_CLASSES).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape))
    start = time.perf_counter()
    try:
        network = adapt(theirs)
    except ResablateError as error:
        return {"refused": str(error).partition("; how to write")[0]}
    seconds = time.perf_counter() - start
    images = torch.randn(_EXAMPLES, *probe_images(theirs).shape[1:], generator=make_generator())
    with torch.no_grad():
        equal = torch.equal(network(images), logits_of(theirs, images))
    found = {"blocks": len(network.chain), "equal": equal, "seconds": seconds}
    examples = Examples(images, torch.arange(_EXAMPLES) % _CLASSES)
    return {**found, "analyses": {asked: _analysis(asked, network, examples) for asked in analyses}}


def _analysis(asked: str, network: ResidualNetwork, examples: Examples) -> float | str:
    """Seconds, or why there is no answer."""
    start = time.perf_counter()
    try:
        ANALYSES[asked].run(network, examples, generator=make_generator(), **ASKED[asked])
    except ResablateError as error:
        return str(error)
    return time.perf_counter() - start


def render(kept: Kept) -> str:
    """The page."""
    good = {name: row for name, row in kept.items() if "refused" not in row}
    dissected = {name: row for name, row in good.items() if row["analyses"]}
    families = {family: [name for name in names if name in good] for family, names in FAMILIES.items()}
    lines = [
        HEAD.format(
            good=len(good), families=sum(map(bool, families.values())), equal=sum(row["equal"] for row in good.values())
        ),
        *("| family | network | blocks | bit for bit | seconds to adapt |", "|---|---|---:|---|---:|"),
    ]
    for family, names in families.items():
        for name in names:
            row = good[name]
            lines.append(
                f"| {family} | {name} | {row['blocks']} | {'yes' if row['equal'] else 'NO'} | {row['seconds']:.1f} |"
            )
    lines += [ANALYZED, f"| network | {' | '.join(ASKED)} |", f"|---|{'---:|' * len(ASKED)}"]
    notes: list[str] = []
    for name, row in dissected.items():
        cells = [_cell(row["analyses"].get(asked, ""), notes) for asked in ASKED]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", *(f"{place}. {note}" for place, note in enumerate(notes, start=1))]
    lines += [NOT_ADAPTED, "| network | why |", "|---|---|"]
    lines += [f"| {name} | {_plain(row['refused'])} |" for name, row in kept.items() if "refused" in row]
    return "\n".join([*lines, "", f"One thread. {machine()}.", ""])


def _cell(value: float | str, notes: list[str]) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    text = _plain(value)
    if text not in notes:
        notes.append(text)
    return f"({notes.index(text) + 1})"


def _plain(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")


HEAD = """# Coverage: networks of other packages

Written by `python -m tests.benchmarks.coverage`. {good} networks of {families} families are adapted, {equal} of them
with logits equal bit for bit on other images, and another number of them, than those of the proof that `adapt` makes
each time (which also adds up the gradients of all paths in double precision, to 1e-12). A block is one x + f(x).
"""
ANALYZED = f"""
## Analyses

Seconds of each analysis on {_EXAMPLES} images with few samples: that it works, not how fast it is. A number in brackets
is a note: why there is no answer.
"""
NOT_ADAPTED = """
## Refused

What is no chain of additions, and what `adapt` says of it.
"""


def main(names: Sequence[str] = (), *, folder: Path = FOLDER) -> None:
    """Measure what is not known yet, and write the page."""
    torch.set_num_threads(1)
    file = folder / FIGURES
    kept: Kept = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    every = [*QUICK, *(name for family in FAMILIES.values() for name in family), *REFUSED]
    for name in names or dict.fromkeys(every):
        if name in kept and not names:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kept[name] = measure(name, analyses=list(ASKED) if name in DISSECTED else [])
        print(name, kept[name], flush=True)
        file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    (folder / PAGE).write_text(render(kept), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
