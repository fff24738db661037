"""Every claim's verdicts, from hand-made results."""

from collections.abc import Sequence
from typing import Any

import pytest

from resablate.claims import CLAIMS, published_row
from resablate.result import TrialResult
from tests.factories import make_lesion, make_measurement, make_path_gradient, make_result, make_test

HALF = {"carried_factor": 0.5, "added_factor": 0.5}


def seeds(errors: Sequence[float], **fields: Any) -> list[TrialResult]:
    return [make_result(error=error, seed=seed, **fields) for seed, error in enumerate(errors)]


def lesioned(error: float, *, baseline: float = 0.1, **fields: Any) -> list[TrialResult]:
    return [make_result(analyses={"lesion": make_lesion([error] * 4, baseline=baseline)}, **fields)]


def by_length(norms: Sequence[float]) -> list[TrialResult]:
    return [make_result(analyses={"path_gradient": make_path_gradient(norms)})]


IDENTITY = seeds([0.10, 0.11, 0.12], depth=56)
SCALED = {"shortcut": {"name": "constant_scale", **HALF}, "depth": 56}
CASES: list[tuple[str, str, list[TrialResult]]] = [
    ("he2016_identity_best", "supported", IDENTITY + seeds([0.2], shortcut="conv1x1", depth=56)),
    ("he2016_identity_best", "supported", IDENTITY + seeds([0], status="diverged", shortcut="none", depth=56)),
    ("he2016_identity_best", "contradicted", IDENTITY + seeds([0.05], shortcut="conv1x1", depth=56)),
    ("he2016_identity_best", "undecided", IDENTITY + seeds([0.105], shortcut="conv1x1", depth=56)),
    ("he2016_identity_best", "contradicted", [*IDENTITY, *seeds([0.05], shortcut="conv1x1", depth=56), *seeds([0.1])]),
    ("he2016_identity_best", "not tested", IDENTITY),
    ("he2016_identity_best", "not tested", IDENTITY + seeds([0.05], shortcut="conv1x1", depth=20)),
    ("he2016_scaling_trains_worse", "supported", IDENTITY + seeds([0.2], losses=[1, 0.9], **SCALED)),
    ("he2016_scaling_trains_worse", "supported", IDENTITY + seeds([0.2], status="diverged", **SCALED)),
    ("he2016_scaling_trains_worse", "contradicted", IDENTITY + seeds([0.2], losses=[1, 0.1], **SCALED)),
    ("he2016_scaling_trains_worse", "undecided", IDENTITY + seeds([0.2], **SCALED)),
    ("he2016_scaling_trains_worse", "not tested", seeds([0.1]) + seeds([0.2], shortcut="constant_scale")),
    ("he2016_plain_fails", "supported", IDENTITY + seeds([0.4], shortcut="none", depth=56)),
    (
        "he2016_plain_fails",
        "supported",
        IDENTITY
        + seeds(
            [0],
            status="diverged",
            shortcut={"name": "constant_scale", "carried_factor": 0, "added_factor": 1},
            depth=56,
        ),
    ),
    ("he2016_plain_fails", "not tested", IDENTITY + seeds([0.12], shortcut="none", depth=56)),
    ("he2016_plain_fails", "not tested", seeds([0.1]) + seeds([0.4], shortcut="none")),
    ("he2016_plain_fails", "not tested", seeds([0.3], depth=56) + seeds([0.4], shortcut="none", depth=56)),
    ("he2016_plain_fails", "contradicted", seeds([0.1], depth=110) + seeds([0.12], shortcut="none", depth=110)),
    ("he2016_preactivation_better", "supported", seeds([0.1]) + seeds([0.08], ordering="full_preactivation")),
    ("he2016_preactivation_better", "contradicted", seeds([0.1]) + seeds([0.2], ordering="full_preactivation")),
    ("he2016_preactivation_better", "undecided", seeds([0.1, 0.14]) + seeds([0.11], ordering="full_preactivation")),
    ("he2016_preactivation_better", "not tested", seeds([0.1])),
    ("he2016_bn_after_add_worse", "supported", seeds([0.1]) + seeds([0.2], ordering="bn_after_add")),
    ("he2016_bn_after_add_worse", "contradicted", seeds([0.1]) + seeds([0.05], ordering="bn_after_add")),
    ("he2016_bn_after_add_worse", "not tested", seeds([0.1]) + seeds([0.05], ordering="full_preactivation")),
    ("veit2016_residual_robust", "supported", lesioned(0.15)),
    ("veit2016_residual_robust", "contradicted", lesioned(0.4, depth=56)),
    ("veit2016_residual_robust", "not tested", lesioned(0.4, depth=20)),
    ("veit2016_residual_robust", "not tested", lesioned(0.8, baseline=0.7)),
    ("veit2016_residual_robust", "not tested", lesioned(0.15, dataset="elsewhere")),
    ("veit2016_plain_collapses", "supported", lesioned(0.88, shortcut="none")),
    ("veit2016_plain_collapses", "contradicted", lesioned(0.4, shortcut="none")),
    ("veit2016_plain_collapses", "not tested", lesioned(0.88)),
    ("veit2016_norm_decays", "supported", by_length([1, 0.5, 0.25, 0.125])),
    ("veit2016_norm_decays", "contradicted", by_length([1, 2, 4, 8])),
    ("veit2016_norm_decays", "undecided", by_length([1, 0.001, 1, 0.001])),
    ("veit2016_norm_decays", "not tested", by_length([0, 0, 1])),
    ("veit2016_short_paths", "supported", by_length([0.2**length for length in range(10)])),
    ("veit2016_short_paths", "contradicted", by_length([1.0] * 10)),
    ("veit2016_short_paths", "not tested", [make_result()]),
]


@pytest.mark.parametrize(("name", "outcome", "results"), CASES)
def test_verdict(name: str, outcome: str, results: list[TrialResult]) -> None:
    verdict = CLAIMS[name].check(results)
    assert verdict.outcome == outcome, verdict.measured
    assert verdict.measured


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_has_every_kind_of_case(name: str) -> None:
    assert {"supported", "contradicted", "not tested"} <= {outcome for claim, outcome, _ in CASES if claim == name}


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_states_source_number_and_rule(name: str) -> None:
    claim = CLAIMS[name]
    assert claim.source.startswith(("He et al. 2016, ", "Veit et al. 2016, "))
    assert claim.published
    assert "Supported if" in claim.rule or "supported if" in claim.rule


@pytest.mark.parametrize("name", CLAIMS)
def test_regularized_and_failed_trials_test_nothing(name: str) -> None:
    results = [result for claim, _, group in CASES if claim == name for result in group]
    regularized = [
        result.model_copy(
            update={"spec": result.spec.replace(regularizer={"name": "spectral_penalty", "strength": 0.5})}
        )
        for result in results
    ]
    failed = [result.model_copy(update={"status": "failed"}) for result in results]
    assert CLAIMS[name].check([*regularized, *failed]).outcome == "not tested"


def test_measured_numbers_are_said() -> None:
    verdict = CLAIMS["he2016_identity_best"].check(IDENTITY + seeds([0.2], shortcut="conv1x1", depth=56))
    assert "identity: 11.00 %" in verdict.measured
    assert "conv1x1 batch_norm=true: 20.00 % (digits, 56 layers, original, 3 trials each)" in verdict.measured


def test_a_claim_must_hold_in_every_setting() -> None:
    good = seeds([0.1]) + seeds([0.08], ordering="full_preactivation")
    bad = seeds([0.1], epochs=99) + seeds([0.2], ordering="full_preactivation", epochs=99)
    assert CLAIMS["he2016_preactivation_better"].check([*good, *bad]).outcome == "contradicted"


RESNET_152 = {
    "dataset": "image_folder",
    "network": "imagenet_resnet",
    "depth": 152,
    "width": 64,
    "augmentation": "scale",
}


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (RESNET_152, "23.0 %"),
        ({**RESNET_152, "dataset.train_crop": 160}, None),
        ({**RESNET_152, "shortcut": "conv1x1"}, None),
        ({**RESNET_152, "width": 16}, None),
        ({**RESNET_152, "augmentation": "none"}, None),
        ({}, "6.61 %"),
        ({"shortcut": "constant_scale"}, "12.35 %"),
        ({"shortcut": "constant_scale", "shortcut.added_factor": 1}, "fail"),
        ({"shortcut": "exclusive_gate"}, "8.70 %"),
        ({"shortcut": "exclusive_gate", "shortcut.bias": -7}, "9.81 %"),
        ({"shortcut": "exclusive_gate", "shortcut.bias": -9}, None),
        ({"shortcut": "shortcut_only_gate", "shortcut.bias": 0}, "12.86 %"),
        ({"shortcut": "dropout"}, "fail"),
        ({"ordering": "full_preactivation"}, "6.37 %"),
        ({"ordering": "full_preactivation", "shortcut": "dropout"}, None),
    ],
)
def test_published_numbers_go_with_shortcut_arguments_and_ordering(fields: dict[str, Any], error: str | None) -> None:
    row = published_row(make_result(fields=fields))
    assert (row.error if row else None) == error


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (RESNET_152, "21.3 %"),
        ({**RESNET_152, "depth": 200, "ordering": "full_preactivation"}, "20.7 %"),
        ({**RESNET_152, "dataset.train_crop": 160}, None),
    ],
)
def test_published_numbers_go_with_the_crop_of_the_test(fields: dict[str, Any], error: str | None) -> None:
    large = make_measurement("test", make_test(0.2), crop=320)
    row = published_row(make_result(fields=fields).model_copy(update={"measurements": (large,)}))
    assert (row.error if row else None) == error


def test_a_network_has_learned_by_the_classes_that_the_test_had() -> None:
    """Half of guessing among four classes is an error of 37.5 %."""
    lesion = {"lesion": make_lesion([0.42] * 4, baseline=0.4)}
    results = [make_result(error=0.4, dataset="image_folder", analyses=lesion, classes=n) for n in (4, None)]
    assert {CLAIMS["veit2016_residual_robust"].check([result]).outcome for result in results} == {"not tested"}
    many = make_result(error=0.4, dataset="image_folder", analyses=lesion, classes=100)
    assert CLAIMS["veit2016_residual_robust"].check([many]).outcome == "supported"


@pytest.mark.parametrize("fields", [{"network": "vgg"}, {"block_sampling": "fixed_count"}])
def test_other_networks_do_not_decide_a_claim_about_residual_ones(fields: dict[str, str]) -> None:
    results = [
        make_result(
            depth=56,
            shortcut=shortcut,
            error=0.05 * place,
            analyses={"lesion": make_lesion([0.1] * 4, baseline=0.05)},
            **fields,
        )
        for place, shortcut in enumerate(("identity", "constant_scale", "none"), start=1)
    ]
    assert {claim.check(results).outcome for claim in CLAIMS.values()} == {"not tested"}
