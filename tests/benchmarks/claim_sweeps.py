"""For every claim the sweep that `resablate claims --plan` writes, cut to what trains in seconds."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from resablate.claims import CLAIMS
from resablate.claims.planning import plan_claims
from resablate.spec import TrainSpec

DIGITS: dict[str, Any] = {
    "dataset": {"name": "digits", "train_examples": 500},
    "width": 4,
    "epochs": 6,
    "batch_size": 32,
    "schedule": "one_cycle",
    "learning_rate": 0.1,
}
"""90 steps: enough for 32 layers to learn, with shortcuts."""
THOUSAND: dict[str, Any] = {
    "dataset": {"name": "image_folder", "train_crop": 8, "val_fraction": 0},
    "width": 4,
    "epochs": 2,
    "iterations": 30,
    "batch_size": 128,
    "schedule": "one_cycle",
    "learning_rate": 0.1,
}
"""A thousand layers cost half a second a step; in so few steps they learn four colors, and no digits."""
IMAGENET: dict[str, Any] = {
    "dataset": {"name": "image_folder", "train_crop": 32, "val_fraction": 0},
    "width": 4,
    "epochs": 4,
    "batch_size": 32,
    "schedule": "one_cycle",
    "learning_rate": 0.1,
}
"""Twelve colors, so that there is a top-5 error."""
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "lesion": {"examples": 180},
    "multi_lesion": {"examples": 60, "subsets": 5, "largest": 10},
    "reorder": {"examples": 60, "swaps": 8, "samples": 4},
    "path_gradient": {"examples": 8, "samples": 2},
    "norm_preservation": {"examples": 64},
    "saliency": {"examples": 180},
}
"""Of questions: with the usual ones they would take longer than the training."""


@dataclass(frozen=True)
class Cut:
    """How small the sweep of a claim is.

    Args:
        depth: what `--depth` is given; None where the claim is about its own depths.
        seeds: of each cell.
        fields: of every training, unless the claim compares them.
        classes: of the folder of images; 0 for digits.
    """

    depth: int | None = 32
    seeds: int = 2
    fields: Mapping[str, Any] = field(default_factory=lambda: DIGITS)
    classes: int = 0


OF_A_THOUSAND = Cut(None, 2, THOUSAND, classes=4)
OF_IMAGENET = Cut(None, 2, IMAGENET, classes=12)
PROJECTED = Cut(20)
"""Bare networks of 22 layers beside ResNets of 20."""
CUTS: Mapping[str, Cut] = {
    "H17": Cut(29),
    **dict.fromkeys(("H18", "H19", "H20", "H22"), OF_A_THOUSAND),
    **dict.fromkeys(("H23", "H24", "H25", "H26", "V4"), OF_IMAGENET),
    "V7": Cut(110, 1, {**DIGITS, "epochs": 1}),
    "V9": Cut(110),
    "V11": Cut(32, 1),
    **dict.fromkeys(("Z2", "Z3"), Cut(110, 2)),
    **dict.fromkeys(("Z5", "Z6", "Z7", "Z8", "Z9"), PROJECTED),
    "Z10": Cut(283, 2, {**DIGITS, "iterations": 48}),
}
"""Those that are not as usual."""
ASKED_FIRST = ("M1", "Z4")
"""They ask during training, of networks that other claims share: asked later, these would be trained again."""


def cut_of(name: str) -> Cut:
    """How the claim's sweep is cut."""
    return CUTS.get(name, Cut())


def decidable() -> list[str]:
    """Every claim that has a rule, those that ask during training first."""
    known = [name for name, claim in CLAIMS.items() if claim.rule.arms]
    return [*ASKED_FIRST, *(name for name in known if name not in ASKED_FIRST)]


def claim_sweep(name: str, *, seeds: int | None = None) -> dict[str, Any]:
    """The content of a sweep file: the plan's cells and questions, in small."""
    cut = cut_of(name)
    planned = plan_claims(
        [CLAIMS[name]],
        dataset=cut.fields["dataset"]["name"],
        depth=cut.depth,
        seeds=seeds or cut.seeds,
    )
    content = deepcopy(planned.content)
    cases: list[dict[str, Any]] = content.get("cases", [])
    for case in cases:
        case.pop("width", None)
    swept = {field for case in cases for field in case} | set(content["axes"])
    for case in cases:  # what the plan leaves at the default must stay there, whatever the base says
        case.update(
            {key: _default(key) for key in swept & set(cut.fields) if key not in case and key not in content["axes"]}
        )
    content["base"].update({key: deepcopy(value) for key, value in cut.fields.items() if key not in swept})
    for analysis, asked in content["analyses"].items():
        asked.update({key: value for key, value in ARGUMENTS.get(analysis, {}).items() if key not in asked})
    return content


def _default(name: str) -> Any:
    default = TrainSpec.model_fields[name].default
    return getattr(default, "name", default)


def write_colors(folder: Path, *, classes: int, counts: Mapping[str, int]) -> Path:
    """A folder in ImageNet's layout: each class is a hue, each image a shade of it.

    Args:
        folder: of `train` and `val`.
        classes: how many hues.
        counts: part -> images of each class.
    """
    draw = np.random.default_rng(classes)
    for (part, count), label in ((pair, label) for pair in counts.items() for label in range(classes)):
        hue = 255 * np.array(colorsys.hsv_to_rgb(label / classes, 1.0 if label % 2 else 0.6, 1.0))
        place = folder / part / f"hue_{label:02d}"
        place.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            patches = hue + draw.normal(0, 12, 3) + draw.normal(0, 8, (4, 4, 3))
            image = Image.fromarray(patches.clip(0, 255).astype(np.uint8)).resize((40, 32), Image.Resampling.BICUBIC)
            image.save(place / f"{number:03d}.JPEG")
    return folder


def folders(root: Path, names: Sequence[str]) -> dict[int, Path]:
    """Classes -> folder of images, of the claims that need one."""
    counts = {4: {"train": 640, "val": 24}, 12: {"train": 80, "val": 6}}
    needed = {cut_of(name).classes for name in names} - {0}
    return {
        number: root / f"{number}_hues"
        if (root / f"{number}_hues").is_dir()
        else write_colors(root / f"{number}_hues", classes=number, counts=counts[number])
        for number in sorted(needed)
    }
