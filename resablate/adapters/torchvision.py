"""ResNets, Wide ResNets and ResNeXts of torchvision."""

from __future__ import annotations

from torch import nn

from resablate.adapters.chain import STAGE_NAMES, Architecture, Layout, adapt_resnet, class_among
from resablate.adapters.interface import Adapter, PretrainedBuilder
from resablate.errors import UnknownName
from resablate.model.network import ResidualNetwork

_ARCHITECTURES = {
    "torchvision.models.resnet.ResNet": Architecture(
        ("conv1", "bn1", "relu", "maxpool", *STAGE_NAMES, "avgpool", "fc"), ("__call__", "forward", "_forward_impl")
    )
}
_LAYOUTS = {
    "torchvision.BasicBlock": Layout(("conv1", "bn1", "relu", "conv2", "bn2"), "relu"),
    "torchvision.Bottleneck": Layout(("conv1", "bn1", "relu", "conv2", "bn2", "relu", "conv3", "bn3"), "relu"),
}
"""Package and class of a block."""


def _recognizes(network: nn.Module) -> bool:
    return class_among(network, _ARCHITECTURES) is not None


def _adapt(network: nn.Module) -> ResidualNetwork:
    return adapt_resnet(network, _ARCHITECTURES, _LAYOUTS)


def _builder(model: str) -> PretrainedBuilder:
    from torchvision import models

    known = models.list_models(models, include=["*resnet*", "*resnext*"])
    if model not in known:
        raise UnknownName("ResNet of torchvision", model, known)
    return PretrainedBuilder(models.get_model_builder(model), "fc.weight")


TORCHVISION = Adapter(
    networks="ResNets, Wide ResNets and ResNeXts of torchvision",
    recognizes=_recognizes,
    adapt=_adapt,
    builder=_builder,
)
