"""ResNets of timm, and its second version, whose blocks are pre-activated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from torch import nn

from resablate.adapters.chain import (
    STAGE_NAMES,
    Architecture,
    Layout,
    adapt_block,
    adapt_resnet,
    check_architecture,
    children_of,
    class_among,
)
from resablate.adapters.interface import Adapter, PretrainedBuilder
from resablate.errors import ResablateError, UnknownName
from resablate.model.network import ResidualNetwork

_METHODS = ("__call__", "forward", "forward_features", "forward_head")
_FIRST = {
    "timm.models.resnet.ResNet": Architecture(
        ("conv1", "bn1", "act1", "maxpool", *STAGE_NAMES, "global_pool", "fc"), _METHODS
    )
}
_SECOND = {"timm.models.resnetv2.ResNetV2": Architecture(("stem", "stages", "norm", "head"), _METHODS)}
_STAGE_OF_SECOND = "timm.models.resnetv2.ResNetStage"

_LAYOUTS = {
    "timm.BasicBlock": Layout(("conv1", "bn1", "drop_block", "act1", "aa", "conv2", "bn2", "se", "drop_path"), "act2"),
    "timm.Bottleneck": Layout(
        ("conv1", "bn1", "act1", "conv2", "bn2", "drop_block", "act2", "aa", "conv3", "bn3", "se", "drop_path"), "act3"
    ),
}
"""Package and class of a block of a ResNet."""
_SECOND_LAYOUTS = {
    "timm.PreActBasic": Layout(("conv1", "norm2", "conv2", "drop_path"), preactivation="norm1"),
    "timm.PreActBottleneck": Layout(("conv1", "norm2", "conv2", "norm3", "conv3", "drop_path"), preactivation="norm1"),
}
"""Package and class of a block of a ResNetV2. Its `Bottleneck` is another class than that of timm's ResNet."""


def _recognizes(network: nn.Module) -> bool:
    return class_among(network, {**_FIRST, **_SECOND}) is not None


def _adapt(network: nn.Module) -> ResidualNetwork:
    if class_among(network, _FIRST) is not None:
        return adapt_resnet(network, _FIRST, _LAYOUTS)
    check_architecture(network, _SECOND)
    part = network.get_submodule
    return ResidualNetwork(
        stem=part("stem"),
        blocks=[
            adapt_block(f"stages.{stage}.blocks.{place}", block, _SECOND_LAYOUTS)
            for stage, _ in children_of(network, "stages")
            for place, block in _blocks_of_stage(network, f"stages.{stage}")
        ],
        head=nn.Sequential(part("norm"), part("head")),
    )


def _blocks_of_stage(network: nn.Module, stage: str) -> Iterator[tuple[str, nn.Module]]:
    names = [name for name, _ in children_of(network, stage, _STAGE_OF_SECOND)]
    if names != ["blocks"]:
        raise ResablateError(f"{stage}: must have nothing but blocks, got {', '.join(names)}")
    return children_of(network, f"{stage}.blocks")


def _builder(model: str) -> PretrainedBuilder:
    try:
        import timm  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ResablateError(f"timm:{model} needs the package timm: pip install timm") from None
    library = cast(Any, timm)
    if not library.is_model(model):
        raise UnknownName("ResNet of timm", model, library.list_models(["resne*", "wide_resnet*", "seresne*"]))

    def build(*, num_classes: int) -> nn.Module:
        return library.create_model(model, pretrained=False, num_classes=num_classes)

    return PretrainedBuilder(build, "head.fc.weight" if model.startswith("resnetv2") else "fc.weight")


TIMM = Adapter(networks="ResNets and ResNetV2s of timm", recognizes=_recognizes, adapt=_adapt, builder=_builder)
