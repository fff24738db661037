"""The spectrum in closed form, against dense matrices, and on networks of others."""

import math

import pytest
import torch
import torchvision
from torch import Tensor, nn

from resablate.adapters import adapt
from resablate.analyses import TrainedWith, spectrum
from resablate.component import Component
from resablate.datasets import Examples
from resablate.errors import AnalysisError
from resablate.measurement import AnalysisResult
from resablate.regularizers import REGULARIZERS, find_sites
from resablate.spectral import singular_values
from tests.networks import make_examples, make_generator, make_images, make_network
from tests.spectral.test_singular_values import circular_matrix

ZERO = 1e-13
"""Singular values below this part of the largest are rounding errors."""


def rows(result: AnalysisResult) -> list[dict[str, float]]:
    return [dict(zip(result.table, row, strict=True)) for row in zip(*result.table.values(), strict=True)]


def make_procrustes_resnet():
    return make_network(depth=10, transition="bare", ordering="full_preactivation", width=4)


def test_the_table_says_where_each_convolution_is() -> None:
    table = spectrum(make_procrustes_resnet(), make_examples()).table
    assert table["layer"] == list(range(9))
    assert table["block"] == [-1, 0, 0, 1, 1, 1, 2, 2, 2]
    assert table["is_stem"] == [1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert table["is_transition"] == [0, 0, 0, 1, 0, 0, 1, 0, 0]
    assert table["changes_dimension"] == [0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert table["in_channels"] == [1, 4, 4, 4, 8, 8, 8, 16, 16]
    assert table["out_channels"] == [4, 4, 4, 8, 8, 8, 16, 16, 16]
    assert table["kernel_size"] == [3, 3, 3, 1, 3, 3, 1, 3, 3]
    assert table["stride"] == [1, 1, 1, 2, 1, 1, 2, 1, 1]
    assert table["height"] == table["width"] == [8, 8, 8, 8, 4, 4, 4, 2, 2]


@pytest.mark.parametrize("layer", [0, 2, 4])
def test_every_number_against_the_dense_matrix(layer: int) -> None:
    network = make_network(width=3)
    site = find_sites(network, make_images(1)[0], layers="all")[layer]
    dense = torch.linalg.svdvals(circular_matrix(site.layer.weight.detach(), site.size, stride=site.stride))
    padded = torch.linalg.svdvals(
        site.layer(torch.eye(site.layer.in_channels * math.prod(site.size)).double().unflatten(1, (-1, *site.size)))
        .detach()
        .flatten(1)
    )
    row = rows(spectrum(network, make_examples(), generator=make_generator(), target=0.7))[layer]
    assert (row["largest"], row["smallest"]) == pytest.approx((float(dense[0]), float(dense[-1])))
    assert row["condition_number"] == pytest.approx(float(dense[0] / dense[-1]))
    for name, part in {"quantile_05": 0.05, "quantile_25": 0.25, "median": 0.5, "quantile_95": 0.95}.items():
        assert row[name] == pytest.approx(float(dense.quantile(part)))
    assert row["root_mean_square"] == pytest.approx(float(dense.square().mean().sqrt()))
    assert row["target"] == 0.7
    assert row["distance_from_target"] == pytest.approx(float((dense - 0.7).square().mean().sqrt()))
    assert row["relative_distance"] == pytest.approx(row["distance_from_target"] / 0.7)
    assert row["zero_padded_largest"] == pytest.approx(float(padded[0]), rel=1e-4)
    assert row["rank_deficiency"] == 0


def test_what_procrustes_projects_sits_at_the_target() -> None:
    network = make_procrustes_resnet()
    regularizer = REGULARIZERS["procrustes"](network, make_images(1)[0], layers="transitions", frequency=1.0)
    regularizer.after_step(make_generator())
    result = spectrum(network, make_examples(), generator=make_generator())
    projected = [row for row in rows(result) if row["is_transition"]]
    assert len(projected) == 2
    for row in projected:
        assert row["target"] == pytest.approx(math.sqrt(2))
        assert row["distance_from_target"] < 1e-9
        assert row["condition_number"] == pytest.approx(1)
        assert row["zero_padded_largest"] == pytest.approx(math.sqrt(2))
        assert row["rank_deficiency"] == 0.5, "of four pixels a 1x1 convolution of stride 2 sees one"
    others = [row for row in rows(result) if not row["is_transition"]]
    assert min(row["distance_from_target"] for row in others) > 0.05


def test_the_energy_of_taps() -> None:
    network = make_network(width=4)
    sites = find_sites(network, make_images(1)[0], layers="all")
    with torch.no_grad():
        sites[0].layer.weight.fill_(1)
        sites[1].layer.weight.zero_()
        sites[1].layer.weight[:, :, 0, 2] = 0.3
        sites[2].layer.weight.zero_()
        sites[2].layer.weight[0, 0, :2, 0] = torch.tensor([1.0, -2.0])
        sites[3].layer.weight.zero_()
    result = spectrum(network, make_examples(), generator=make_generator())
    assert result.table["largest_tap_share"][:3] == pytest.approx([1 / 9, 1, 0.8])
    assert math.isnan(result.table["largest_tap_share"][3])
    assert result.summary["stem_largest_tap_share"] == pytest.approx(1 / 9)
    assert result.units["largest_tap_share"] == result.units["stem_largest_tap_share"] == "fraction"


def test_the_published_stem_shrinks_to_one_tap_and_the_corrected_one_does_not() -> None:
    found: dict[str, dict[str, float]] = {}
    for stem in ("published", "corrected"):
        network = make_network(depth=10, transition="bare", ordering="full_preactivation", width=16, in_channels=3)
        images, labels = make_images(2, channels=3, size=(16, 16))
        regularizer = REGULARIZERS["procrustes"](
            network, images, layers="stem+transitions", frequency=1.0, stem=stem, target="backward"
        )
        for _ in range(10):
            regularizer.after_step(make_generator())
        result = spectrum(network, Examples(images, labels), generator=make_generator())
        found[stem] = dict(result.summary)
        points = [row["largest_tap_share"] for row in rows(result) if row["kernel_size"] == 1]
        assert points == [1, 1]
    assert found["published"]["stem_largest_tap_share"] > 0.99
    assert found["corrected"]["stem_largest_tap_share"] < 0.6
    for summary in found.values():
        assert summary["transition_relative_distance"] < 1e-9
        assert 1e-9 < summary["stem_relative_distance"] < 0.05, "cropped, so not exact"


def test_a_projection_before_the_first_step() -> None:
    network = make_procrustes_resnet()
    trained_with = make_trained_with(Component("procrustes", {"layers": "stem+transitions"}))
    as_is, projected = (
        spectrum(network, make_examples(), generator=make_generator(), trained_with=trained_with, weights=weights)
        for weights in ("as_is", "projected")
    )
    assert as_is.summary["transition_relative_distance"] > 0.05
    assert projected.summary["transition_relative_distance"] < 1e-9
    assert projected.summary["stem_relative_distance"] < as_is.summary["stem_relative_distance"]
    branch = [place for place, row in enumerate(rows(as_is)) if not row["is_stem"] and not row["is_transition"]]
    for place in branch:
        assert projected.table["median"][place] == as_is.table["median"][place]


def test_a_filter_of_zeros_is_an_infinite_condition_and_no_infinite_summary() -> None:
    network = make_network(width=4)
    site = find_sites(network, make_images(1)[0], layers="all")[2]
    whole = spectrum(network, make_examples(), generator=make_generator())
    with torch.no_grad():
        site.layer.weight[1] = 0
    result = spectrum(network, make_examples(), generator=make_generator())
    row = rows(result)[2]
    assert row["condition_number"] == math.inf
    # A decomposition gives zeros to within rounding: below the part of the largest that counts as zero.
    assert 0 <= row["smallest"] <= ZERO * row["largest"]
    assert row["rank_deficiency"] == 0.25, "the ratio of two whole numbers"
    assert (whole.summary["rank_deficient_layers"], result.summary["rank_deficient_layers"]) == (0, 1)
    rest = [value for value in result.table["condition_number"] if math.isfinite(value)]
    assert result.summary["worst_condition"] == max(rest)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    nothing = spectrum(network, make_examples(), generator=make_generator()).summary
    assert nothing["largest_of_all"] == 0, "sums and decompositions of zeros alone"
    assert "worst_condition" not in nothing


def make_theirs(block: type[nn.Module], **keywords: int) -> nn.Module:
    torch.manual_seed(0)
    return torchvision.models.ResNet(block, [1, 1, 1, 1], num_classes=3, **keywords)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("block", "keywords"),
    [
        (torchvision.models.resnet.BasicBlock, {}),
        (torchvision.models.resnet.Bottleneck, {"groups": 8, "width_per_group": 4}),
    ],
    ids=["resnet", "resnext"],
)
def test_it_works_on_networks_of_torchvision(block: type[nn.Module], keywords: dict[str, int]) -> None:
    theirs = make_theirs(block, **keywords)
    images, labels = make_images(1, channels=3, size=(32, 32), dtype=torch.float32)
    result = spectrum(adapt(theirs), Examples(images, labels), generator=make_generator())
    convolutions = [layer for layer in theirs.modules() if isinstance(layer, nn.Conv2d)]
    assert len(result.table["layer"]) == len(convolutions)
    assert all(math.isfinite(value) for value in result.summary.values())
    for layer, row in zip(find_sites(adapt(theirs), images, layers="all"), rows(result), strict=True):
        parts = layer.layer.weight.detach().chunk(layer.layer.groups)
        largest = max(float(singular_values(part, size=layer.size, stride=layer.stride)[0]) for part in parts)
        assert row["largest"] == pytest.approx(largest)
        assert 0.2 * largest < row["zero_padded_largest"] <= largest * (1 + 1e-9)


@pytest.mark.slow
def test_layers_too_large_to_decompose_are_left_out_and_all_others_are_there() -> None:
    images, labels = make_images(1, channels=3, size=(33, 33), dtype=torch.float32)
    network = adapt(make_theirs(torchvision.models.resnet.BasicBlock))
    result = spectrum(network, Examples(images, labels), generator=make_generator())
    unknown = [row for row in rows(result) if math.isnan(row["largest"])]
    assert 0 < len(unknown) < len(result.table["layer"])
    assert result.summary["layers_left_out"] == len(unknown)
    assert all(math.isfinite(value) for value in result.summary.values())
    for row in unknown:
        assert row["stride"] == 2
        assert row["height"] % 2
        assert row["zero_padded_largest"] > 0
        assert math.isfinite(row["target"])
        assert math.isnan(row["median"])
        assert math.isnan(row["rank_deficiency"])
    assert result.summary["largest_of_all"] == max(
        row["largest"] for row in rows(result) if not math.isnan(row["largest"])
    )


class Standardized(nn.Conv2d):
    """Applies other weights than it keeps, as timm's StdConv2d does."""

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True), self.bias)


def test_a_layer_that_transforms_its_weights_has_the_spectrum_of_what_it_applies() -> None:
    network, same = make_network(), make_network()
    layer, plain = Standardized(1, 2, 3, padding=1).double(), nn.Conv2d(1, 2, 3, padding="same").double()
    with torch.no_grad():
        plain.weight.copy_(layer.weight - layer.weight.mean(dim=(1, 2, 3), keepdim=True))
    network.stem[0], same.stem[0] = layer, plain  # type: ignore[index, operator]
    found, expected = (spectrum(each, make_examples(), generator=make_generator()) for each in (network, same))
    assert found.table == expected.table
    with pytest.raises(AnalysisError, match=r"^stem\.0: singular values are known of plain .* got a tests\.analyses"):
        find_sites(network, make_images(1)[0], layers="all")
    assert len(find_sites(network, make_images(1)[0], layers="transitions")) == 0, "what is not chosen may be so"


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        (nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"), "what it convolves is not its images with zeros"),
        (nn.Conv2d(1, 2, 3, padding=1, stride=(1, 2)), r"stride=\(1, 2\)"),
        (nn.Conv2d(1, 2, 3, padding=1, dilation=(1, 2)), r"dilation=\(1, 2\)"),
    ],
    ids=["padding_mode", "stride", "dilation"],
)
def test_convolutions_without_a_known_spectrum_are_refused_by_name(layer: nn.Conv2d, found: str) -> None:
    network = make_network()
    network.stem[0] = layer.double()  # type: ignore[index, operator]
    with pytest.raises(AnalysisError, match=rf"^stem\.0.* singular values are known.*{found}"):
        spectrum(network, make_examples())


def test_a_network_without_convolutions() -> None:
    network = make_network(network="vgg", depth=5)
    for block in network.chain:
        block.branch = nn.Identity()
    network.head = nn.Flatten()
    with pytest.raises(AnalysisError, match="must have a convolution to have a spectrum"):
        spectrum(network, make_examples())


def make_trained_with(regularizer: Component) -> TrainedWith:
    return TrainedWith(block_sampling=Component("all"), regularizer=regularizer)


@pytest.mark.parametrize(
    ("regularizer", "target"),
    [
        (Component("none"), "backward"),
        (Component("procrustes", {}, {"target": "backward"}), "backward"),
        (Component("procrustes", {"target": "forward"}), "forward"),
        (Component("spectral_penalty", {"target": 0.3}), 0.3),
        (Component("of_another_package", {"target": "stem"}), "backward"),
    ],
    ids=str,
)
def test_by_default_the_target_is_that_of_the_training(regularizer: Component, target: str | float) -> None:
    network, examples = make_network(), make_examples()
    told = spectrum(network, examples, generator=make_generator(), trained_with=make_trained_with(regularizer))
    asked = spectrum(network, examples, generator=make_generator(), target=target)
    assert told == asked, "the same kernels on the same numbers"
    other = make_trained_with(Component("procrustes", {"target": 0.9}))
    assert spectrum(network, examples, generator=make_generator(), trained_with=other, target=target) == asked
    assert spectrum(network, examples, generator=make_generator(), trained_with=other) != asked
