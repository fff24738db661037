"""Synthetic results in which every claim is true, or false: one place for all tests of claims.

A world is a list of cells: the fields of a training, and what was measured of it. Every number has noise of its seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from resablate.measurement import AnalysisResult, EpochMetrics
from resablate.result import TrialResult
from tests.factories import (
    make_lesion,
    make_measurement,
    make_multi_lesion,
    make_norm_preservation,
    make_outcomes,
    make_path_count,
    make_path_gradient,
    make_reorder,
    make_result,
    make_spectrum,
    make_test,
)

SEEDS = 10
Draw = Callable[[np.random.Generator], AnalysisResult]


@dataclass(frozen=True)
class Network:
    """What one cell's trainings come to.

    Args:
        fields: of the training.
        error: on the test set.
        loss: of training, in the last epoch; it falls to there from 2.3.
        pace: how fast: the part of the epochs after which half of the way is done.
        seconds: of an epoch.
        diverges: whether every training does.
        analyses: by name, drawn for each seed.
        at_start: those before training.
        top5: of a test at a crop of 320.
    """

    fields: Mapping[str, Any]
    error: float = 0.1
    loss: float = 0.3
    pace: float = 0.2
    seconds: float = 1.0
    diverges: bool = False
    analyses: Mapping[str, Draw] = field(default_factory=dict[str, Draw])
    at_start: Mapping[str, Draw] = field(default_factory=dict[str, Draw])
    top5: float | None = None

    def with_(self, **changes: Any) -> Network:
        """The same with other numbers."""
        return replace(self, **changes)


def train(networks: Sequence[Network], *, seeds: int = SEEDS, outcomes: bool = True) -> list[TrialResult]:
    """A result for each network and seed."""
    return [_result(network, seed, outcomes=outcomes) for network in networks for seed in range(seeds)]


def _result(network: Network, seed: int, *, outcomes: bool) -> TrialResult:
    if network.diverges:
        return make_result(status="diverged", losses=[2.3], seed=seed, fields=network.fields)
    random = np.random.default_rng([seed, len(str(sorted(network.fields.items(), key=str)))])
    error = float(np.clip(network.error * (1 + 0.03 * random.standard_normal()), 1e-4, 0.99))
    loss = network.loss * (1 + 0.03 * random.standard_normal())
    epochs = [loss + (2.3 - loss) * 0.5 ** (epoch / 20 / network.pace) for epoch in range(20)]
    result = make_result(
        error=error,
        classes=1000 if network.fields.get("dataset") == "image_folder" else None,
        outcomes=make_outcomes(error, seed=seed, count=2000) if outcomes else None,
        losses=[*epochs, loss],
        analyses={name: draw(random) for name, draw in network.analyses.items()},
        analyses_by_epoch={0: {name: draw(random) for name, draw in network.at_start.items()}},
        seed=seed,
        fields=network.fields,
    )
    timed = tuple(_timed(epoch, network.seconds * (1 + 0.02 * random.standard_normal())) for epoch in result.history)
    result = result.model_copy(update={"history": timed})
    if network.top5 is None:
        return result
    cropped = make_outcomes(error, seed=seed, count=2000, top5=network.top5) if outcomes else None
    return result.model_copy(
        update={"measurements": (make_measurement("test", make_test(error, outcomes=cropped), crop=320),)}
    )


def _timed(epoch: EpochMetrics, seconds: float) -> EpochMetrics:
    return replace(epoch, wall_seconds=seconds)


# analyses ----------------------------------------------------------------------------------------------------------


def lesions(base: float, same: float, change: float, *, blocks: int = 12) -> Draw:
    """Increases of the error without a block that keeps, and one that changes, the dimension."""

    def draw(random: np.random.Generator) -> AnalysisResult:
        changing = [blocks // 3, 2 * blocks // 3]
        errors = [
            base + (change if b in changing else same) * (1 + 0.1 * random.standard_normal()) for b in range(blocks)
        ]
        return make_lesion(errors, baseline=base, changing=changing)

    return draw


def ranked(errors: Sequence[float]) -> Draw:
    """The errors without each block, with noise that changes the order of neighbors."""
    return lambda random: make_lesion([e + 0.01 * random.standard_normal() for e in errors], baseline=0.06)


def several(rising: Sequence[float]) -> Draw:
    return lambda random: make_multi_lesion([0.05 + r * (1 + 0.01 * random.standard_normal()) for r in rising])


def orders(rising: Sequence[float]) -> Draw:
    return lambda random: make_reorder(
        {place: 0.05 + r * (1 + 0.01 * random.standard_normal()) for place, r in enumerate(rising)}
    )


def counts(blocks: int = 54) -> Draw:
    """The paths of a network; those of 5 to 17 of 54 blocks are the effective ones."""
    found = make_path_count(blocks)
    few = sum(math.comb(blocks, k) for k in range(blocks + 1) if 5 * blocks <= 54 * k <= 17 * blocks) / 2**blocks
    summary = {**found.summary, "effective_path_share": few}
    counted = replace(found, summary=summary, units={**found.units, "effective_path_share": "fraction"})
    return lambda random: counted


def salient(advantage: float) -> Draw:
    """How much better novelty ranks the blocks than magnitude."""

    def draw(random: np.random.Generator) -> AnalysisResult:
        number = advantage + 0.02 * random.standard_normal()
        return AnalysisResult(summary={"novelty_advantage": number}, table={}, units={"novelty_advantage": "1"})

    return draw


def paths(norm: Callable[[int], float], *, blocks: int = 54, direct: float = 1.0) -> Draw:
    """Norms of one path by length, with a noise for each length; `direct`: what a block leaves along shortcuts."""

    def draw(random: np.random.Generator) -> AnalysisResult:
        noise = np.exp(0.02 * random.standard_normal(blocks + 1))
        return make_path_gradient([norm(length) * noise[length] for length in range(blocks + 1)], direct=direct)

    return draw


def norms(same: float, change: float, *, blocks: int = 12) -> Draw:
    """l of ordinary blocks and of changes of dimension."""

    def draw(random: np.random.Generator) -> AnalysisResult:
        changing = [blocks // 3, 2 * blocks // 3]
        sizes = [(change if b in changing else same) * (1 + 0.03 * random.standard_normal()) for b in range(blocks)]
        found = make_norm_preservation([math.exp(size) for size in sizes], changing=changing)
        summary = {**found.summary, "transition_largest_median_log_ratio": max(sizes[block] for block in changing)}
        return replace(found, summary=summary, units={**found.units, **dict.fromkeys(summary, "1")})

    return draw


def distances(transition: float, stem: float, tap: float) -> Draw:
    """Relative distances from the target of the transitions and the stem, and the part of its energy in one tap."""

    def draw(random: np.random.Generator) -> AnalysisResult:
        found = make_spectrum([1.0, 1.0, 1.0], target=2.0)
        noise = np.exp(0.05 * random.standard_normal(3))
        table = {
            **found.table,
            "is_stem": [1.0, 0.0, 0.0],
            "is_transition": [0.0, 1.0, 1.0],
            "distance_from_target": [2 * d * n for d, n in zip((stem, transition, transition), noise, strict=True)],
        }
        summary = {**found.summary, "stem_largest_tap_share": tap * noise[0]}
        return replace(
            found, summary=summary, table=table, units={**found.units, **dict.fromkeys([*table, *summary], "1")}
        )

    return draw


# the cells that claims are about -------------------------------------------------------------------------------------


def shortcut(name: str, *, depth: int = 56, **arguments: Any) -> dict[str, Any]:
    return {"shortcut": {"name": name, **arguments}, "depth": depth}


def scale(carried: float, added: float, *, depth: int = 56) -> dict[str, Any]:
    return shortcut("constant_scale", depth=depth, carried_factor=carried, added_factor=added)


def order(name: str, *, depth: int = 56, **more: Any) -> dict[str, Any]:
    return {"ordering": name, "depth": depth, **more}


BOTTLENECK = {"network": {"name": "resnet", "block": "bottleneck", "transition": "projection"}}
BARE = {
    "network": {"name": "resnet", "block": "bottleneck", "transition": "bare"},
    "ordering": "full_preactivation",
    "depth": 166,
}
PROJECTED = {**BARE, "regularizer": {"name": "procrustes", "layers": "stem+transitions"}}
BASELINE = {**BOTTLENECK, "ordering": "full_preactivation", "depth": 164}
IDENTITY = Network(shortcut("identity"))
FULL = "full_preactivation"


def _cells(*cells: tuple[Mapping[str, Any], Mapping[str, Any]]) -> list[Network]:
    return [Network(fields, **numbers) for fields, numbers in cells]


def _imagenet(ordering: str, depth: int, error: float, top5: float, augmentation: str = "scale") -> Network:
    network = {"name": "imagenet_resnet", "transition": "projection"}
    fields = {"dataset": "image_folder", "network": network, "width": 64, "augmentation": augmentation}
    return Network({**fields, **order(ordering, depth=depth)}, error, top5=top5)


def _depths(size: Callable[[float], float], **more: Any) -> list[Network]:
    """Networks of five depths with l as `size` of ln(2L)/L."""
    found: list[Network] = []
    for depth in (8, 20, 38, 56, 110):
        total = (depth - 2) // 2
        mean = size(math.log(2 * total) / total)
        analyses = {"norm_preservation": norms(mean, 0.5, blocks=max(total, 6))}
        found.append(Network(shortcut("identity", depth=depth), analyses=analyses, **more))
    return found


def _sampling(name: str, **numbers: Any) -> Network:
    return Network({"depth": 110, "ordering": FULL, "block_sampling": name}, **numbers)


def _residual(**draws: Draw) -> list[Network]:
    return [Network({"depth": 110, "ordering": FULL}, 0.06, analyses=draws)]


def _recipes(*profiles: Sequence[float]) -> list[Network]:
    """A recipe for each profile of errors without each block."""
    return [
        Network(
            {"depth": 56, "ordering": FULL, "augmentation": augmentation}, 0.06, analyses={"lesion": ranked(profile)}
        )
        for augmentation, profile in zip(("none", "crop_flip"), profiles, strict=True)
    ]


RISING = [0.06 + 0.01 * block for block in range(12)]
HALF, HALF_CARRIED = scale(0.5, 0.5), scale(0.5, 1)
PLAIN, ID = shortcut("none"), shortcut("identity")
GATE6, GATE7 = shortcut("exclusive_gate", bias=-6), shortcut("exclusive_gate", bias=-7)
GATE0, GATE3 = shortcut("exclusive_gate", bias=0), shortcut("exclusive_gate", bias=-3)
ONLY0, ONLY6 = shortcut("shortcut_only_gate", bias=0), shortcut("shortcut_only_gate", bias=-6)
CONV, DROPOUT = shortcut("conv1x1"), shortcut("dropout")
BAD, GOOD, FAIL = {"error": 0.15}, {"error": 0.05}, {"error": 0.5}
LOSSY, EAGER = {"loss": 0.6, "pace": 0.4}, {"loss": 0.1, "pace": 0.05}
LESIONS = {"analyses": {"lesion": lesions(0.1, 0.03, 0.05)}}
START = {"at_start": {"path_gradient": paths(lambda length: 1e-9 * 0.5**length)}}
EXPLODES = {"at_start": {"path_gradient": paths(lambda length: 0.5**length)}}


def _orders(**numbers: Mapping[str, Any]) -> list[Network]:
    return _cells(*((order(name), more) for name, more in numbers.items()))


def _at(name: str, depth: int, **numbers: Any) -> Network:
    return Network({**BOTTLENECK, **order(name, depth=depth)}, **numbers)


def _warm(iterations: int, error: float) -> Network:
    return Network({**order(FULL), "schedule": {"name": "steps", "warmup_iterations": iterations}}, error)


def _ratio(fields: Mapping[str, Any], change: float) -> Network:
    return Network(fields, analyses={"norm_preservation": norms(0.02, change)})


def _unnormalized(*, batch: float, none: float, skip_init: float) -> list[Network]:
    """Increases of the error without a block, of deep networks with batch norm and without any norm."""
    shares = {"identity": {"batch": batch, "none": none}, "skip_init": {"none": skip_init}}
    return [
        Network({"shortcut": shortcut, "norm": norm, "depth": 110}, analyses={"lesion": lesions(0.1, share, share)})
        for shortcut, by_norm in shares.items()
        for norm, share in by_norm.items()
    ]


TRUE: dict[str, list[Network]] = {
    "H1": _cells((ID, {}), (CONV, BAD), (PLAIN, {"diverges": True}), (ONLY6, BAD)),
    "H2": _cells((ID, {}), (HALF, {**BAD, **LOSSY})),
    "H3": _cells((ID, {}), (HALF_CARRIED, FAIL)),
    "H4": _cells((ID, {}), (PLAIN, {"diverges": True})),
    "H5": _cells((ID, {}), (GATE0, FAIL), (GATE3, FAIL), (GATE6, {}), (GATE7, BAD)),
    "H6": _cells((ID, {}), (ONLY0, BAD), (ONLY6, {})),
    "H7": _cells(
        (shortcut("identity", depth=20), {}),
        (shortcut("conv1x1", depth=20), {}),
        (ID, {}),
        (CONV, BAD),
    ),
    "H8": _cells((ID, {}), (DROPOUT, FAIL)),
    "H9": _cells((ID, {}), (HALF, LOSSY), (GATE6, LOSSY), (CONV, LOSSY)),
    "H10": _cells((ID, {}), (HALF, LOSSY), (GATE6, LOSSY), (CONV, LOSSY)),
    "H11": _orders(original={}, bn_after_add=BAD),
    "H12": _orders(original={}, bn_after_add=LOSSY),
    "H13": _orders(original={}, relu_before_add=BAD),
    "H14": _orders(original={}, relu_only_preactivation={}),
    "H15": _orders(original={}, full_preactivation=GOOD),
    "H16": _orders(
        original={}, bn_after_add=BAD, relu_before_add=BAD, relu_only_preactivation={}, full_preactivation=GOOD
    ),
    "H17": [_at("original", 164), _at(FULL, 164), _at("original", 1001), _at(FULL, 1001, error=0.05)],
    "H18": [_at("original", 164), _at(FULL, 164), _at("original", 1001, error=0.15), _at(FULL, 1001, error=0.05)],
    "H19": [_at("original", 1001, pace=0.4), _at(FULL, 1001, pace=0.05)],
    "H20": [_at("original", 164, loss=0.1), _at(FULL, 164, loss=0.1)],
    "H21": _orders(original={}, full_preactivation={**GOOD, "loss": 0.5}),
    "H22": [
        _at(FULL, 164, error=0.05),
        Network(order("original", depth=1202), 0.15),
        _at(FULL, 1001, error=0.10),
        Network({**BOTTLENECK, **order(FULL, depth=1001), "batch_size": 64}, 0.05),
    ],
    "H23": [_imagenet("original", 200, 0.25, 0.08), _imagenet(FULL, 200, 0.2, 0.05)],
    "H24": [_imagenet("original", 152, 0.2, 0.05), _imagenet("original", 200, 0.25, 0.08)],
    "H25": [_imagenet("original", 152, 0.25, 0.08), _imagenet(FULL, 152, 0.2, 0.05)],
    "H26": [_imagenet(FULL, 200, 0.25, 0.08), _imagenet(FULL, 200, 0.2, 0.05, "scale_aspect")],
    "H27": [
        Network(ID, analyses={"path_gradient": paths(lambda length: 0.5**length)}),
        Network(HALF, analyses={"path_gradient": paths(lambda length: 0.5**length, direct=0.5)}),
    ],
    "H28": [_warm(0, 0.1), _warm(400, 0.1)],
    "V1": _residual(lesion=lesions(0.06, 0.005, 0.02)),
    "V2": [
        Network({"network": "vgg", "depth": 15}, analyses={"lesion": lesions(0.1, 0.78, 0.79)}),
        Network({**PLAIN, "depth": 20}, analyses={"lesion": lesions(0.1, 0.78, 0.79)}),
    ],
    "V3": _residual(lesion=lesions(0.06, 0.005, 0.02)),
    "V4": [_imagenet(FULL, 200, 0.2, 0.05).with_(analyses={"lesion": lesions(0.2, 0.005, 0.02)}, top5=None)],
    "V5": _residual(multi_lesion=several([0.02 * size for size in range(1, 21)])),
    "V6": _residual(reorder=orders([0.03 * place for place in range(10)])),
    "V7": _residual(path_count=counts()),
    "V8": _residual(path_gradient=paths(lambda length: 0.3**length)),
    "V9": _residual(path_gradient=paths(lambda length: 0.25**length), path_count=counts()),
    "V10": [_sampling("all", error=0.1), _sampling("fixed_count", error=0.1)],
    "V11": _residual(path_count=counts()),
    "V12": [
        _sampling("all", analyses={"lesion": lesions(0.1, 0.03, 0.06)}),
        _sampling("stochastic_depth", analyses={"lesion": lesions(0.1, 0.02, 0.03)}),
    ],
    "V13": [
        Network(ID, analyses={"path_gradient": paths(lambda length: 0.5**length)}),
        Network(GATE6, analyses={"path_gradient": paths(lambda length: 0.02**length)}),
    ],
    "Z1": [_ratio(ID, 0.5), Network(PLAIN, analyses={"norm_preservation": norms(0.5, 0.5)})],
    "Z2": _depths(lambda size: 1.1 * size),
    "Z3": _depths(lambda size: 1.1 * size),
    "Z4": [_ratio(ID, 0.5)],
    "Z5": [_ratio(PROJECTED, 0.3), _ratio(BARE, 1.0)],
    "Z6": [Network(PROJECTED, 0.05), Network(BARE), Network(BASELINE)],
    "Z7": [Network(PROJECTED, pace=0.1), Network(BASELINE, pace=0.3)],
    "Z8": [Network(PROJECTED, analyses={"spectrum": distances(1e-6, 0.01, 0.15)})],
    "Z9": [Network(PROJECTED, seconds=1.02), Network(BARE)],
    "Z10": [Network({**PROJECTED, "depth": d}, e) for d, e in ((166, 0.1), (274, 0.09), (634, 0.055), (1003, 0.02))],
    "D1": _unnormalized(batch=0.005, none=0.1, skip_init=0.005),
    "M1": _cells((scale(1, 0.136), START), (ID, EXPLODES)),
    "S1": _residual(saliency=salient(0.3)),
    "G1": _recipes(RISING, RISING[::-1]),
}
"""Claim -> networks of which it is true."""


FALSE: dict[str, list[Network]] = {
    "H1": _cells((ID, {}), (CONV, GOOD), (PLAIN, {"diverges": True})),
    "H2": _cells((ID, {}), (HALF, {**GOOD, **EAGER})),
    "H3": _cells((ID, {}), (HALF_CARRIED, {})),
    "H4": _cells((ID, {}), (PLAIN, {})),
    "H5": _cells((ID, {}), (GATE0, {}), (GATE6, {}), (GATE7, GOOD)),
    "H6": _cells((ID, {}), (ONLY0, GOOD), (ONLY6, BAD)),
    "H7": _cells(
        (shortcut("identity", depth=20), {}),
        (shortcut("conv1x1", depth=20), BAD),
        (ID, {}),
        (CONV, {}),
    ),
    "H8": _cells((ID, {}), (DROPOUT, {})),
    "H9": _cells((ID, {}), (HALF, EAGER), (CONV, LOSSY)),
    "H10": _cells((ID, {}), (HALF, EAGER), (CONV, LOSSY)),
    "H11": _orders(original={}, bn_after_add=GOOD),
    "H12": _orders(original={}, bn_after_add=EAGER),
    "H13": _orders(original={}, relu_before_add=GOOD),
    "H14": _orders(original={}, relu_only_preactivation=BAD),
    "H15": _orders(original={}, full_preactivation=BAD),
    "H16": _orders(
        original={}, bn_after_add=GOOD, relu_before_add=BAD, relu_only_preactivation={}, full_preactivation={}
    ),
    "H17": [_at("original", 164), _at(FULL, 164, error=0.05), _at("original", 1001), _at(FULL, 1001)],
    "H18": [_at("original", 164, error=0.15), _at(FULL, 164), _at("original", 1001), _at(FULL, 1001, error=0.05)],
    "H19": [_at("original", 1001, pace=0.05), _at(FULL, 1001, pace=0.4)],
    "H20": [_at("original", 164, loss=0.5), _at(FULL, 164, loss=0.1)],
    "H21": _orders(original={}, full_preactivation={**BAD, "loss": 0.5}),
    "H22": [
        _at(FULL, 164, error=0.15),
        Network(order("original", depth=1202), 0.05),
        _at(FULL, 1001, error=0.10),
        Network({**BOTTLENECK, **order(FULL, depth=1001), "batch_size": 64}, 0.05),
    ],
    "H23": [_imagenet("original", 200, 0.2, 0.05), _imagenet(FULL, 200, 0.25, 0.08)],
    "H24": [_imagenet("original", 152, 0.25, 0.08), _imagenet("original", 200, 0.2, 0.05)],
    "H25": [_imagenet("original", 152, 0.2, 0.05), _imagenet(FULL, 152, 0.25, 0.08)],
    "H26": [_imagenet(FULL, 200, 0.2, 0.05), _imagenet(FULL, 200, 0.25, 0.08, "scale_aspect")],
    "H27": [
        Network(ID, analyses={"path_gradient": paths(lambda length: 0.5**length)}),
        Network(HALF, analyses={"path_gradient": paths(lambda length: 0.5**length)}),
    ],
    "H28": [_warm(0, 0.15), _warm(400, 0.1)],
    "V1": _residual(lesion=lesions(0.06, 0.4, 0.5)),
    "V2": [Network({"network": "vgg", "depth": 15}, analyses={"lesion": lesions(0.1, 0.1, 0.2)})],
    "V3": _residual(lesion=lesions(0.06, 0.05, 0.02)),
    "V4": [_imagenet(FULL, 200, 0.2, 0.05).with_(analyses={"lesion": lesions(0.2, 0.4, 0.2)}, top5=None)],
    "V5": _residual(multi_lesion=several([0.8] * 10 + [0.81] * 10)),
    "V6": _residual(reorder=orders([0.3 - 0.03 * place for place in range(10)])),
    "V8": _residual(path_gradient=paths(lambda length: 0.9**length * 0.99 ** (length**2))),
    "V9": _residual(path_gradient=paths(lambda length: 0.9**length), path_count=counts()),
    "V10": [_sampling("all", error=0.1), _sampling("fixed_count", error=0.15)],
    "V12": [
        _sampling("all", analyses={"lesion": lesions(0.1, 0.02, 0.03)}),
        _sampling("stochastic_depth", analyses={"lesion": lesions(0.1, 0.03, 0.06)}),
    ],
    "V13": [
        Network(ID, analyses={"path_gradient": paths(lambda length: 0.02**length)}),
        Network(GATE6, analyses={"path_gradient": paths(lambda length: 0.5**length)}),
    ],
    "Z1": [Network(ID, analyses={"norm_preservation": norms(0.5, 0.5)}), _ratio(PLAIN, 0.5)],
    "Z2": _depths(lambda size: 0.05 / size),
    "Z3": _depths(lambda size: 0.05 / size),
    "Z4": [Network(ID, analyses={"norm_preservation": norms(0.3, 0.5)})],
    "Z5": [_ratio(PROJECTED, 1.0), _ratio(BARE, 0.3)],
    "Z6": [Network(PROJECTED, 0.15), Network(BARE), Network(BASELINE)],
    "Z7": [Network(PROJECTED, loss=0.4, pace=0.3), Network(BASELINE, pace=0.1)],
    "Z8": [Network(PROJECTED, analyses={"spectrum": distances(0.2, 0.5, 0.9)})],
    "Z9": [Network(PROJECTED, seconds=1.5), Network(BARE)],
    "Z10": [Network({**PROJECTED, "depth": d}, e) for d, e in ((166, 0.02), (274, 0.035), (634, 0.06), (1003, 0.1))],
    "D1": _unnormalized(batch=0.1, none=0.01, skip_init=0.05),
    "M1": _cells((scale(1, 0.136), EXPLODES), (ID, START)),
    "S1": _residual(saliency=salient(-0.3)),
    "G1": _recipes(RISING, RISING),
}
"""Claim -> networks of which it is false. What is counted (V7, V11) holds of every network of its shape."""
COUNTED = ("H27", "V7", "V11")
"""They follow from the network alone, whatever it learns: one training tells them."""
UNTESTABLE = ("T1", "I1", "C1")
"""Claims that nothing decides yet."""
