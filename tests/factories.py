"""Hand-made trial results: what tests of figures, claims and the report are about."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from resablate.component import Component
from resablate.component_tables import resolve
from resablate.measurement import AnalysisResult, EpochMetrics, FailedMeasurement, Measurement, Outcomes
from resablate.question import TEST, Question
from resablate.result import Status, TrialResult
from resablate.spec import TrainSpec

VERSIONS = {"resablate": "0.2.0", "torch": "2.11.0", "python": "3.11.2", "commit": "0" * 40, "device": "cpu"}


def make_history(losses: Sequence[float], *, val_error: float = 0.1) -> tuple[EpochMetrics, ...]:
    return tuple(
        EpochMetrics(
            epoch=number,
            train_loss=loss,
            train_error=min(1.0, loss / 3),
            val_loss=loss,
            val_error=val_error,
            learning_rate=0.1,
            wall_seconds=1.0,
        )
        for number, loss in enumerate(losses, start=1)
    )


def without_validation(result: TrialResult) -> TrialResult:
    """The same, of a training that held no images out."""
    history = tuple(replace(row, val_loss=None, val_error=None) for row in result.history)
    return result.model_copy(update={"history": history})


def make_lesion(errors: Sequence[float], *, baseline: float, changing: Sequence[int] = ()) -> AnalysisResult:
    """A lesion analysis with these errors, one per block; losses are three times the errors."""
    increases = [error - baseline for error in errors]
    summary = {
        "baseline_error": baseline,
        "mean_error": sum(errors) / len(errors),
        "mean_increase": sum(increases) / len(errors),
        "worst_error": max(errors),
        "worst_increase": max(increases),
        "baseline_loss": 3 * baseline,
        "mean_loss_increase": 3 * sum(increases) / len(errors),
        **dict.fromkeys(
            (f"{name}_standard_error" for name in ("baseline_error", "mean_error", "mean_increase", "worst_error")),
            0.002,
        ),
    }
    parts = {"same_dimension": False, "dimension_change": True}
    for name, changes in parts.items():
        part = [increase for block, increase in enumerate(increases) if (block in changing) == changes]
        if part:
            summary[f"mean_increase_{name}"] = sum(part) / len(part)
    table: dict[str, list[float]] = {
        "block": list(range(len(errors))),
        "error": list(errors),
        "error_standard_error": [0.002] * len(errors),
        "loss": [3 * error for error in errors],
        "loss_standard_error": [0.006] * len(errors),
        "changes_dimension": [float(block in changing) for block in range(len(errors))],
    }
    units = {name: "nats" if "loss" in name else "fraction" for name in (*summary, *table)}
    return AnalysisResult(
        summary=summary,
        table=table,
        units={**units, "block": "1", "changes_dimension": "1"},
        axes={"error": "block", "loss": "block"},
    )


def make_multi_lesion(errors: Sequence[float], *, spread: float = 0.01, changing: int = 1) -> AnalysisResult:
    """A study of several lesions with these medians for 1, 2, ... blocks, and half the error without changing ones."""
    sizes = range(1, len(errors) + 1)
    table: dict[str, list[float]] = {"removed": list(sizes)}
    for prefix, part in (("", 1.0), ("same_dimension_", 0.5)):
        kept = [
            part * error if not prefix or size <= len(errors) - changing else math.nan
            for size, error in zip(sizes, errors, strict=True)
        ]
        for name, by in (("lower_quartile", -1), ("median", 0), ("upper_quartile", 1), ("minimum", -2), ("maximum", 2)):
            table[f"{prefix}error_{name}"] = [error + by * spread for error in kept]
        table[f"{prefix}error_median_standard_error"] = [spread / 10] * len(errors)
    summary = {
        "baseline_error": 0.05,
        "baseline_error_standard_error": 0.002,
        "largest_size": float(len(errors)),
        "largest_size_error": errors[-1],
        "largest_size_error_standard_error": spread / 10,
    }
    curves = [name for name in table if name.endswith(("quartile", "median"))]
    return AnalysisResult(
        summary=summary,
        table=table,
        units={**dict.fromkeys([*summary, *table], "fraction"), "removed": "blocks", "largest_size": "blocks"},
        axes=dict.fromkeys(curves, "removed"),
    )


def make_reorder(errors: Mapping[int, float], *, spread: float = 0.01) -> AnalysisResult:
    """A study of orders with these medians by bin of tau, each 0.02 wide."""
    quartiles = {"error_lower_quartile": -spread, "error_median": 0.0, "error_upper_quartile": spread}
    table: dict[str, list[float]] = {
        "bin": list(errors),
        "tau": [1 - place / 50 for place in errors],
        "count": [10.0] * len(errors),
        **{name: [error + by for error in errors.values()] for name, by in quartiles.items()},
        "error_median_standard_error": [spread / 10] * len(errors),
    }
    mean = sum(errors.values()) / len(errors)
    summary = {
        "baseline_error": 0.05,
        "baseline_error_standard_error": 0.002,
        "mean_error": mean,
        "mean_error_standard_error": 0.002,
        "lowest_tau": min(table["tau"]),
        "swappable_blocks": 7.0,
    }
    return AnalysisResult(
        summary=summary,
        table=table,
        units=dict.fromkeys([*summary, *table], "1"),
        axes=dict.fromkeys(quartiles, "bin"),
    )


def make_path_gradient(
    norms: Sequence[float], *, sums: Sequence[float] | None = None, direct: float = 1.0
) -> AnalysisResult:
    """A path-gradient analysis with these norms of single paths; `sums` is count times norm by default.

    `direct` is what a block leaves of the gradient along the shortcuts.
    """
    blocks = len(norms) - 1
    counts = [math.comb(blocks, length) for length in range(blocks + 1)]
    weights = [count * norm for count, norm in zip(counts, norms, strict=True)]
    total = sum(weights) or 1.0
    shares = [weight / total for weight in weights]
    sum_shares = [norm / (sum(sums or weights) or 1.0) for norm in sums or weights]
    contributions = {"contribution": shares, "rms_contribution": shares, "sum_contribution": sum_shares}
    norms_of = {"norm": list(sums or weights), "sampled_norm": list(norms), "rms_norm": list(norms)}
    errors = {f"{name}_standard_error": [value / 10 for value in values] for name, values in norms_of.items()}
    summary = {
        "gradient_norm": total,
        "gradient_norm_standard_error": total / 10,
        "direct_path_ratio": direct,
    }
    for name, distribution in contributions.items():
        for place, level in (("median_length", 0.5), ("effective_low", 0.025), ("effective_high", 0.975)):
            summary[name.removesuffix("contribution") + place] = _reaching(distribution, level)
    table = {
        "length": list(range(blocks + 1)),
        **norms_of,
        **errors,
        "log10_path_count": [math.log10(count) for count in counts],
        **contributions,
    }
    return AnalysisResult(
        summary=summary,
        table=table,
        units=dict.fromkeys([*table, *summary], "1"),
        axes=dict.fromkeys([*norms_of, *contributions], "length"),
    )


def _reaching(shares: Sequence[float], level: float) -> float:
    """The first length up to which the shares sum to `level`."""
    cumulated = [sum(shares[: length + 1]) for length in range(len(shares))]
    return float(next((length for length, share in enumerate(cumulated) if share >= level), len(shares) - 1))


def make_path_count(blocks: int) -> AnalysisResult:
    """The paths of a network of so many blocks, and what one deletion leaves."""
    counts = [math.comb(blocks, length) for length in range(blocks + 1)]
    table = {
        "length": list(range(blocks + 1)),
        "share": [count / 2**blocks for count in counts],
        "log10_path_count": [math.log10(count) for count in counts],
        "left_after_1": [1 - length / blocks for length in range(blocks + 1)],
    }
    summary = {"median_length": float(blocks // 2), "shortest": 0.0, "longest": float(blocks)}
    axes = {name: "length" for name in table if name != "length"}
    return AnalysisResult(summary=summary, table=table, units=dict.fromkeys([*table, *summary], "1"), axes=axes)


def _heights(blocks: int, changing: Sequence[int]) -> tuple[list[float], list[float]]:
    """Before and behind each block of a network that halves images of 32 pixels."""
    behind = [32 / 2 ** sum(block <= place for block in changing) for place in range(blocks)]
    return [32.0, *behind[:-1]], behind


def make_norm_preservation(ratios: Sequence[float], *, changing: Sequence[int] = ()) -> AnalysisResult:
    """A norm-preservation analysis with these ratios, one per block."""
    table = {
        "block": list(range(len(ratios))),
        "ratio": list(ratios),
        "ratio_standard_error": [ratio / 10 for ratio in ratios],
        "mean_ratio": list(ratios),
        "median_ratio": list(ratios),
        "median_log_ratio": [abs(math.log(ratio)) for ratio in ratios],
        "changes_dimension": [float(block in changing) for block in range(len(ratios))],
        **dict(zip(("in_height", "out_height"), _heights(len(ratios), changing), strict=True)),
    }
    logs = [abs(math.log(ratio)) for ratio in ratios]
    mean = sum(logs) / len(logs)
    summary = {
        "same_dimension_largest_log_ratio": max(logs),
        "same_dimension_mean_log_ratio": mean,
        "same_dimension_mean_median_log_ratio": mean,
    }
    return AnalysisResult(
        summary=summary,
        table=table,
        units=dict.fromkeys([*table, *summary], "1"),
        axes=dict.fromkeys(["ratio", "mean_ratio", "median_ratio", "median_log_ratio"], "block"),
    )


def make_spectrum(medians: Sequence[float], *, target: float = 1.0) -> AnalysisResult:
    """A spectrum with these medians, one per layer; the quantiles are 0.5, 0.8, 1.2 and 1.5 times as large."""
    layers = range(len(medians))
    parts = {"quantile_05": 0.5, "quantile_25": 0.8, "median": 1.0, "quantile_75": 1.2, "quantile_95": 1.5}
    table = {name: [part * value for value in medians] for name, part in parts.items()}
    table |= {"largest": [2 * value for value in medians], "target": [target for _ in layers]}
    summary = {"largest_of_all": max(table["largest"])}
    return AnalysisResult(
        summary=summary,
        table={"layer": list(layers), **table},
        units=dict.fromkeys(["layer", *table, *summary], "1"),
        axes=dict.fromkeys(table, "layer"),
    )


def make_outcomes(
    error: float, *, seed: int = 0, count: int = 1000, examples: str = "0123", top5: float | None = None
) -> Outcomes:
    """Outcomes with about this error: some examples are hard for every network, and the seed moves a few.

    Args:
        error: the part that is wrong, on average over seeds.
        seed: of the network.
        count: how many examples.
        examples: their hash; every network finds the same ones hard.
        top5: the part whose label is not among the five largest logits.
    """
    hard = np.random.default_rng(sum(map(ord, examples))).random(count)
    noise = 0.03 * np.random.default_rng([seed, round(1e6 * error)]).standard_normal(count)
    wrong_top5 = None if top5 is None else hard + noise < top5
    return Outcomes.of(hard + noise < error, examples=examples, wrong_top5=wrong_top5)


def make_test(error: float, *, classes: int | None = None, outcomes: Outcomes | None = None) -> AnalysisResult:
    """A test with this error, or that of the outcomes; the loss is three times the error."""
    error = error if outcomes is None else float(outcomes.unpacked().mean())
    summary = {"error": error, "loss": 3 * error, **({} if classes is None else {"classes": float(classes)})}
    if outcomes and outcomes.wrong_top5 is not None:
        summary["top5_error"] = float(outcomes.unpacked(top5=True).mean())
    units = {"error": "fraction", "top5_error": "fraction", "loss": "nats", "classes": "1"}
    return AnalysisResult(summary=summary, table={}, units={name: units[name] for name in summary}, outcomes=outcomes)


def make_spec(fields: Mapping[str, Any]) -> TrainSpec:
    """The training with these fields, `shortcut.bias` among them, every argument filled in as a check does it.

    Names that are in no table are left as they are, which a check refuses.
    """
    spec = TrainSpec.parse(fields)
    parts = {name: resolve(part, name).component for name, part in spec.components().items()}
    if parts["regularizer"].values.get("strength") == 0:
        parts["regularizer"] = Component("none")
    return spec.replace(**parts)


def make_result(
    *,
    error: float = 0.1,
    status: Status = "finished",
    reason: str = "",
    losses: Sequence[float] = (2.0, 1.0, 0.5),
    analyses: Mapping[str, AnalysisResult] | None = None,
    analyses_by_epoch: Mapping[int, Mapping[str, AnalysisResult]] | None = None,
    analysis_errors: Mapping[str, str] | None = None,
    classes: int | None = None,
    outcomes: Outcomes | None = None,
    wall_seconds: float = 60.0,
    fields: Mapping[str, Any] | None = None,
    **more_fields: Any,
) -> TrialResult:
    """A result of the training with these fields; trials that did not finish have no test.

    Args:
        error: on the test set.
        status: how the trial ended.
        reason: why it is not finished.
        losses: of training, by epoch.
        analyses: what was measured at the end besides the test, each with its default arguments.
        analyses_by_epoch: the same after other epochs.
        analysis_errors: analyses that failed at the end, and why.
        classes: what the test tells of the number of classes.
        outcomes: of the test examples, which then give the error.
        wall_seconds: of the whole trial.
        fields: of the training, where a name has a dot.
        more_fields: of the training.
    """
    tested = {TEST: make_test(error, classes=classes, outcomes=outcomes)} if status == "finished" else {}
    measured = {None: {**tested, **(analyses or {})}, **(analyses_by_epoch or {})}
    return TrialResult(
        spec=make_spec({**more_fields, **(fields or {})}),
        status=status,
        reason=reason,
        history=make_history(losses),
        measurements=tuple(
            make_measurement(name, result, epoch=epoch)
            for epoch, results in measured.items()
            for name, result in results.items()
        ),
        failed_measurements=tuple(
            FailedMeasurement(question=Question(Component(name)), reason=why)
            for name, why in (analysis_errors or {}).items()
        ),
        parameter_count=100_000,
        wall_seconds=wall_seconds,
        versions=VERSIONS,
    )


def make_measurement(name: str, result: AnalysisResult, *, epoch: int | None = None, **arguments: Any) -> Measurement:
    """The answer to an analysis with these arguments after an epoch, or at the end."""
    return Measurement(question=Question(Component(name, arguments), epoch), result=result)


SHORTCUT_ERRORS = {
    "identity": 0.08,
    "constant_scale": 0.14,
    "exclusive_gate": 0.10,
    "shortcut_only_gate": 0.085,
    "conv1x1": 0.12,
    "dropout": 0.3,
    "none": 0.5,
}


def make_sweep_results(
    *, depths: Sequence[int] = (20, 56), orderings: Sequence[str] = ("original",), seeds: int = 3
) -> list[TrialResult]:
    """Every shortcut by depth, ordering and seed with all analyses; the deepest plain networks diverged."""
    return [
        _sweep_result(
            error * (1 + 0.05 * seed),
            plain=shortcut == "none",
            diverges=shortcut == "none" and depth == max(depths) > 20,
            shortcut=shortcut,
            depth=depth,
            ordering=ordering,
            seed=seed,
        )
        for shortcut, error in SHORTCUT_ERRORS.items()
        for depth in depths
        for ordering in orderings
        for seed in range(seeds)
    ]


def _sweep_result(error: float, *, plain: bool, diverges: bool, **fields: Any) -> TrialResult:
    if diverges:
        return make_result(status="diverged", reason="loss is not finite in epoch 2", losses=[2.3], **fields)
    blocks = (fields["depth"] - 2) // 2
    lesions = [0.88 if plain else error + 0.2 / (1 + block) for block in range(blocks)]
    norms = [0.0] * blocks + [1e-3] if plain else [0.6**length for length in range(blocks + 1)]
    changing = [blocks // 3, 2 * blocks // 3]
    ratios = [1 + error * (block + 1) for block in range(blocks)]
    return make_result(
        error=error,
        losses=[2.3 * error * 10 / (1 + epoch) for epoch in range(12)],
        analyses={
            "lesion": make_lesion(lesions, baseline=error, changing=changing),
            "multi_lesion": make_multi_lesion([error + 0.02 * size for size in range(1, blocks + 1)]),
            "reorder": make_reorder({place: error + 0.03 * place for place in range(0, 9, 2)}),
            "path_count": make_path_count(blocks),
            "path_gradient": make_path_gradient(norms),
            "norm_preservation": make_norm_preservation(ratios, changing=changing),
            "spectrum": make_spectrum([1 + error] * fields["depth"]),
        },
        analyses_by_epoch={
            0: {
                "path_gradient": make_path_gradient([norm**0.5 for norm in norms]),
                "norm_preservation": make_norm_preservation([2 * ratio for ratio in ratios], changing=changing),
                "spectrum": make_spectrum([1.0] * fields["depth"]),
            }
        },
        **fields,
    )
