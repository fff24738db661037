"""He, Zhang, Ren & Sun 2016, "Identity Mappings in Deep Residual Networks" (arXiv 1603.05027).

Their numbers are CIFAR-10 test errors of ResNet-110, medians of five runs, 64k iterations with augmentation; in Table 5
top-1 errors on ImageNet's validation images, of one crop each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from resablate.claims.claim import Claim, Verdict, combine
from resablate.claims.comparison import (
    compare,
    deepest_groups,
    describe_setting,
    has_learned,
    nats,
    percent,
    sample,
    shortcut_label,
    test_error,
    train_loss,
    unregularized,
)
from resablate.question import TEST
from resablate.result import TrialResult
from resablate.spec import TrainSpec

DEEP = 32
"""Layers from which "deep" is tested: in He et al. (arXiv 1512.03385), Figure 6, the shallowest plain network
that does worse than a shallower one."""
PAPER_DEPTH = 110
FAIL_ERROR = 0.20
"""Their Table 1 calls a test error above 20 % "fail"."""


@dataclass(frozen=True)
class Published:
    """One row of Table 1 or 2, the CIFAR-10 error of ResNet-110, or of Table 5."""

    shortcut: str
    error: str
    source: str
    arguments: dict[str, float] = field(default_factory=dict[str, float])
    """Those the row fixes."""
    ordering: str = "original"


PUBLISHED = (
    Published("identity", "6.61 %", "Table 1"),
    Published("constant_scale", "fail", "Table 1", {"carried_factor": 0.0, "added_factor": 1.0}),
    Published("none", "fail", "Table 1"),
    Published("constant_scale", "fail", "Table 1", {"carried_factor": 0.5, "added_factor": 1.0}),
    Published("constant_scale", "12.35 %", "Table 1", {"carried_factor": 0.5, "added_factor": 0.5}),
    *(Published("exclusive_gate", "fail", "Table 1", {"bias": float(-bias)}) for bias in range(6)),
    Published("exclusive_gate", "8.70 %", "Table 1", {"bias": -6.0}),
    Published("exclusive_gate", "9.81 %", "Table 1", {"bias": -7.0}),
    Published("shortcut_only_gate", "12.86 %", "Table 1", {"bias": 0.0}),
    Published("shortcut_only_gate", "6.91 %", "Table 1", {"bias": -6.0}),
    Published("conv1x1", "12.22 %", "Table 1"),
    Published("dropout", "fail", "Table 1", {"rate": 0.5}),
    Published("identity", "8.17 %", "Table 2", ordering="bn_after_add"),
    Published("identity", "7.84 %", "Table 2", ordering="relu_before_add"),
    Published("identity", "6.71 %", "Table 2", ordering="relu_only_preactivation"),
    Published("identity", "6.37 %", "Table 2", ordering="full_preactivation"),
)


IMAGENET: dict[tuple[int, str, str, int], str] = {
    (152, "original", "scale", 224): "23.0 %",
    (152, "original", "scale", 320): "21.3 %",
    (152, "full_preactivation", "scale", 320): "21.1 %",
    (200, "original", "scale", 320): "21.8 %",
    (200, "full_preactivation", "scale", 320): "20.7 %",
    (200, "full_preactivation", "scale_aspect", 320): "20.1 %",
}
"""Depth, ordering, augmentation, sides of the test crop -> top-1 error in Table 5."""


IMAGENET_WIDTH = 64
IMAGENET_CROP = 224
"""Sides of their training crops, in pixels; the default of `image_folder`."""


def published_row(result: TrialResult) -> Published | None:
    """The row of Table 1 or 2 with this shortcut, arguments and ordering, or that of Table 5, if there is one.

    Table 5 is compared with what `test_error` was measured on: its crop is that of the test.
    """
    spec = result.spec
    if spec.dataset.name == "image_folder":
        return _imagenet_row(spec, test_crop=_test_crop(result))
    arguments = spec.shortcut.values
    return next(
        (
            row
            for row in PUBLISHED
            if row.shortcut == spec.shortcut.name
            and row.ordering == spec.ordering.name
            and all(arguments.get(name) == value for name, value in row.arguments.items())
        ),
        None,
    )


def _imagenet_row(spec: TrainSpec, *, test_crop: int) -> Published | None:
    ordering = spec.ordering.name
    error = IMAGENET.get((spec.depth, ordering, spec.augmentation.name, test_crop))
    names = (spec.network.name, spec.shortcut.name)
    sizes = (spec.width, _train_crop(spec))
    same = names == ("imagenet_resnet", "identity") and sizes == (IMAGENET_WIDTH, IMAGENET_CROP)
    return Published(spec.shortcut.name, error, "Table 5", ordering=ordering) if error and same else None


def _train_crop(spec: TrainSpec) -> int:
    return int(spec.dataset.values.get("train_crop", IMAGENET_CROP))


def _test_crop(result: TrialResult) -> int:
    """The crop that `test_error` was measured on, which is that of training unless the question says otherwise."""
    tests = (m.question for m in result.measurements if m.question.analysis.name == TEST and m.question.epoch is None)
    question = next(tests, None)
    crop = question.analysis.values.get("crop") if question else None
    return int(crop or _train_crop(result.spec))


def identity_best(results: Sequence[TrialResult]) -> Verdict:
    """At the greatest depth measured.

    Supported if identity has the lowest median test error of all shortcuts compared; contradicted if another
    one's median is lower by more than the larger half-range over seeds of the two; undecided in between. A
    diverged trial counts as infinitely bad. Where the error with identity is more than half of the error of guessing,
    the claim is not tested.
    """
    verdicts: list[Verdict] = []
    groups = deepest_groups(unregularized(results), freely=["shortcut"], name=shortcut_label, needed=["identity"])
    for group in groups.values():
        best = sample(group["identity"], test_error)
        others = {name: sample(trials, test_error) for name, trials in group.items() if name != "identity"}
        if not others or math.isinf(best.median):
            continue
        if not any(has_learned(trial) for trial in group["identity"]):
            why = f"the network has not learned enough: {percent(best.median)} ({describe_setting(group['identity'])})"
            verdicts.append(Verdict("not tested", why))
            continue
        rival = min(others, key=lambda name: others[name].median)
        measured = (
            f"identity: {percent(best.median)}, best of {len(others)} others,"
            f" {rival}: {percent(others[rival].median)} ({describe_setting(group['identity'])})"
        )
        verdict = compare(best, others[rival], measured)
        lowest = best.median <= others[rival].median
        verdicts.append(Verdict("supported", measured) if lowest else verdict)
    return combine(verdicts, missing="needs identity and another shortcut at one depth")


def scaling_trains_worse(results: Sequence[TrialResult]) -> Verdict:
    """At the greatest depth measured, if that is at least 32 layers.

    Supported if the median training loss of the last epoch with both sides scaled by 0.5 is higher than
    identity's by more than the larger half-range over seeds of the two; contradicted if lower by more than
    that; else undecided.
    """
    scaled = "constant_scale added_factor=0.5 carried_factor=0.5"
    return _two_training_losses(results, "identity", scaled)


def plain_fails(results: Sequence[TrialResult]) -> Verdict:
    """At the greatest depth measured, if that is at least 32 layers.

    Supported if, with 0 on the shortcut, half of the trials or more diverge or the median test error is
    above 20 % (the paper's "fail"), while identity's is not. Contradicted if it does not fail at 110 layers
    or more; not failing at fewer layers does not test the claim.
    """
    verdicts: list[Verdict] = []
    for plain in ("none", "constant_scale added_factor=1 carried_factor=0"):
        groups = deepest_groups(
            unregularized(results), freely=["shortcut"], name=shortcut_label, needed=["identity", plain]
        )
        for group in groups.values():
            depth = group[plain][0].spec.depth
            error = sample(group[plain], test_error).median
            identity = sample(group["identity"], test_error).median
            measured = f"{plain}: {percent(error)}, identity: {percent(identity)} ({describe_setting(group[plain])})"
            if depth < DEEP or identity > FAIL_ERROR:
                why = f"fewer than {DEEP} layers" if depth < DEEP else "identity fails as well"
                verdicts.append(Verdict("not tested", f"{why}: {measured}"))
            elif error > FAIL_ERROR:
                verdicts.append(Verdict("supported", measured))
            elif depth >= PAPER_DEPTH:
                verdicts.append(Verdict("contradicted", measured))
            else:
                verdicts.append(
                    Verdict("not tested", f"no failure, but the paper has {PAPER_DEPTH} layers: {measured}")
                )
    return combine(verdicts, missing="needs shortcut none (or constant_scale 0, 1) and identity at one depth")


def preactivation_better(results: Sequence[TrialResult]) -> Verdict:
    """At the greatest depth measured, identity shortcuts.

    Supported if the median test error of full pre-activation is lower than that of the original ordering by
    more than the larger half-range over seeds of the two; contradicted if higher by more than that; else
    undecided.
    """
    return _two_orderings(results, "full_preactivation", "original")


def bn_after_add_worse(results: Sequence[TrialResult]) -> Verdict:
    """At the greatest depth measured, identity shortcuts.

    Supported if the median test error with batch norm after the addition is higher than that of the original
    ordering by more than the larger half-range over seeds of the two; contradicted if lower by more than
    that; else undecided.
    """
    return _two_orderings(results, "original", "bn_after_add")


def _two_training_losses(results: Sequence[TrialResult], low: str, high: str) -> Verdict:
    verdicts: list[Verdict] = []
    groups = deepest_groups(unregularized(results), freely=["shortcut"], name=shortcut_label, needed=[low, high])
    for group in groups.values():
        left, right = sample(group[low], train_loss), sample(group[high], train_loss)
        measured = f"{low}: {nats(left.median)}, {high}: {nats(right.median)} ({describe_setting(group[low])})"
        if group[low][0].spec.depth < DEEP:
            verdicts.append(Verdict("not tested", f"fewer than {DEEP} layers: {measured}"))
        else:
            verdicts.append(compare(left, right, measured))
    return combine(verdicts, missing=f"needs {low} and {high} at one depth")


def _two_orderings(results: Sequence[TrialResult], low: str, high: str) -> Verdict:
    identity = [result for result in unregularized(results) if result.spec.shortcut.name == "identity"]
    groups = deepest_groups(identity, freely=["ordering"], name=lambda spec: spec.ordering.name, needed=[low, high])
    verdicts: list[Verdict] = []
    for group in groups.values():
        left, right = sample(group[low], test_error), sample(group[high], test_error)
        spec = group[low][0].spec
        where = f"{spec.dataset}, {spec.depth} layers, {len(group[low])} and {len(group[high])} trials"
        measured = f"{low}: {percent(left.median)}, {high}: {percent(right.median)} ({where})"
        verdicts.append(compare(left, right, measured))
    return combine(verdicts, missing=f"needs the orderings {low} and {high} at one depth, with identity shortcuts")


IDENTITY_BEST = Claim(
    statement="An identity shortcut gives a lower test error than every other shortcut.",
    source="He et al. 2016, section 3 and Table 1",
    published="6.61 % with identity; 6.91 % (shortcut-only gate, bias -6) to 12.86 % or fail with the others",
    check=identity_best,
)
SCALING_TRAINS_WORSE = Claim(
    statement="A deep network whose additions are scaled by 0.5 on both sides has a higher training loss.",
    source="He et al. 2016, section 3.1, Figure 3(a) and Table 1",
    published="test error 12.35 % against 6.61 %; training loss higher throughout Figure 3(a)",
    check=scaling_trains_worse,
)
PLAIN_FAILS = Claim(
    statement="With 0 on the shortcut, which leaves a plain network, a deep network fails.",
    source="He et al. 2016, section 3.1 and Table 1",
    published="fail (test error above 20 %) against 6.61 %",
    check=plain_fails,
)
PREACTIVATION_BETTER = Claim(
    statement="Full pre-activation gives a lower test error than the original ordering.",
    source="He et al. 2016, section 4 and Table 2",
    published="6.37 % against 6.61 % (ResNet-110); 5.46 % against 5.93 % (ResNet-164)",
    check=preactivation_better,
)
BN_AFTER_ADD_WORSE = Claim(
    statement="Batch norm after the addition gives a higher test error than the original ordering.",
    source="He et al. 2016, section 4.1 and Table 2",
    published="8.17 % against 6.61 % (ResNet-110)",
    check=bn_after_add_worse,
)
