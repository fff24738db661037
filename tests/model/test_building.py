"""How networks are asked for: names, components and arguments."""

from typing import Any

import pytest
import torch

from resablate.component import Component
from resablate.errors import UnknownName
from resablate.model import NETWORKS, ComponentLike, ResidualNetwork, build_network
from tests.networks import make_generator


def _same(one: ResidualNetwork, other: ResidualNetwork) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    "network",
    [
        {"name": "resnet", "block": "bottleneck"},
        Component("resnet", {"block": "bottleneck"}),
        Component("resnet", {}, {"block": "bottleneck"}),
    ],
    ids=["mapping", "component", "recorded"],
)
def test_a_network_is_a_name_a_mapping_or_a_component(network: ComponentLike) -> None:
    shape: dict[str, Any] = {"depth": 11, "width": 2}
    expected = build_network(network="resnet", block="bottleneck", generator=make_generator(), **shape)
    assert _same(build_network(network=network, generator=make_generator(), **shape), expected)


def test_arguments_in_the_component_and_as_keywords_add_up() -> None:
    network = Component("resnet", {"block": "bottleneck"})
    built = build_network(network=network, transition="projection", depth=11, width=2, generator=make_generator())
    keywords: dict[str, Any] = {"block": "bottleneck", "transition": "projection"}
    assert _same(built, build_network(**keywords, depth=11, width=2, generator=make_generator()))


@pytest.mark.parametrize(
    "shortcut",
    [
        {"name": "exclusive_gate", "bias": -3},
        Component("exclusive_gate", {"bias": -3}),
        Component("exclusive_gate", {"bias": -3}, {"batch_norm": False}),
    ],
    ids=["mapping", "component", "checked"],
)
def test_a_shortcut_brings_its_arguments(shortcut: ComponentLike) -> None:
    network = build_network(shortcut=shortcut, depth=8, width=2)
    assert all((block.shortcut.get_parameter("gate.bias") == -3).all() for block in network.chain)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"batch_norm": True}, "network 'resnet' takes block, transition, .*; got batch_norm=True"),
        ({"shortcut_args": {"bias": 1}}, "takes block, transition, .*; got shortcut_args="),
        ({"network": "vgg", "block": "basic"}, "network 'vgg' takes batch_norm; got block='basic'"),
        ({"network": {"name": "vgg", "block": "basic"}}, "network 'vgg' takes batch_norm; got block='basic'"),
        ({"shortcut": {"name": "identity", "bias": -6}}, "shortcut 'identity' takes no argument; got bias=-6"),
        ({"shortcut": {"name": "dropout", "bias": -6}}, "shortcut 'dropout' takes rate; got bias=-6"),
        ({"ordering": {"name": "original", "bias": -6}}, "ordering 'original' takes no argument; got bias=-6"),
        (
            {"network": {"name": "resnet", "block": "basic"}, "block": "single"},
            "network 'resnet' is given block twice: in itself and as a keyword",
        ),
    ],
)
def test_an_argument_that_is_not_taken_is_an_error(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        build_network(**keywords)


@pytest.mark.parametrize("argument", ["block", "transition", "stage_preactivation", "stem", "projection"])
def test_a_choice_in_no_table_is_answered_with_the_rows(argument: str) -> None:
    with pytest.raises(UnknownName, match=f"^unknown {argument} 'none' .known: "):
        build_network(**{argument: "none"})  # type: ignore[arg-type]


def test_an_unknown_network_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="unknown network 'resnt'; did you mean 'resnet'"):
        build_network(network="resnt")


def test_a_plain_network_ignores_shortcut_and_ordering() -> None:
    shape: dict[str, Any] = {"network": "vgg", "depth": 5, "width": 4}
    expected = build_network(generator=make_generator(), **shape)
    other: dict[str, Any] = {"shortcut": {"name": "exclusive_gate", "bias": -1}, "ordering": "full_preactivation"}
    assert _same(build_network(generator=make_generator(), **other, **shape), expected)


def test_depth_and_width_are_the_network_s_own_where_they_are_not_given() -> None:
    with torch.device("meta"):
        blocks = {name: len(build_network(network=name).chain) for name in NETWORKS}
    assert blocks == {"resnet": 9, "imagenet_resnet": 16, "vgg": 14}


def test_the_arguments_of_the_networks() -> None:
    assert {name: dict(NETWORKS.arguments(name)) for name in NETWORKS} == {
        "resnet": {
            "block": "basic",
            "transition": "pad",
            "stage_preactivation": "projected",
            "stages": 3,
            "stem": "activated",
            "stem_width": None,
            "projection": "by_ordering",
            "bottleneck_stride": "first",
            "cardinality": 1,
            "branch_dropout": 0.0,
            "convolution_bias": False,
            "convolution": "plain",
        },
        "imagenet_resnet": {"transition": "projection", "bottleneck_stride": "middle"},
        "vgg": {"batch_norm": True},
    }
    assert all(NETWORKS.types(name).keys() == NETWORKS.arguments(name).keys() for name in NETWORKS)
