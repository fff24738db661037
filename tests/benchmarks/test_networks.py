"""The committed table of sizes is what the code builds now, and what was published."""

import pytest

from tests.benchmarks.networks import (
    CIFAR,
    IMAGENET_200,
    REPORT,
    TORCHVISION,
    Published,
    cifar_cost,
    imagenet_cost,
    torchvision_cost,
    write,
)

SLOW = pytest.mark.slow


@SLOW
def test_the_committed_report_is_what_the_script_writes() -> None:
    assert REPORT.read_text(encoding="utf-8") == write(), "run python -m tests.benchmarks.networks"


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=row.name, marks=SLOW if row.knobs["depth"] > 1000 else ()) for row in CIFAR if row.millions],
)
def test_parameters_are_the_published_ones(row: Published) -> None:
    """To one unit of the published figure's last digit; ResNet-1001's 10.2 million to 2 %."""
    unit = 10.0 ** -len(row.millions.partition(".")[2])
    margin = 0.2 if row.name == "ResNet-1001" else unit
    assert abs(cifar_cost(row.knobs).parameters / 1e6 - float(row.millions)) < margin


def test_resnet_200() -> None:
    assert round(imagenet_cost(IMAGENET_200.knobs).parameters / 1e6, 1) == float(IMAGENET_200.millions)


@pytest.mark.parametrize("name", TORCHVISION)
def test_adapted_networks_cost_what_torchvision_states(name: str) -> None:
    theirs = torchvision_cost(name)
    assert theirs.adapted.parameters == theirs.parameters
    assert round(theirs.adapted.multiply_adds / 1e9, 3) == theirs.giga_multiply_adds
