"""Networks of torchvision."""

from __future__ import annotations

from torch import nn

from resablate.adapters.interface import Adapter, Builder
from resablate.errors import UnknownName


def _builder(model: str) -> Builder:
    from torchvision import models

    known = models.list_models(models)
    if model not in known:
        raise UnknownName("network of torchvision", model, known, listing="torchvision.models.list_models()")
    # Inception and GoogLeNet give more than logits while they train, and warn of their own initialization.
    more = {"aux_logits": False, "init_weights": False} if model in ("googlenet", "inception_v3") else {}

    def build(*, num_classes: int) -> nn.Module:
        return models.get_model(model, num_classes=num_classes, **more)

    return build


TORCHVISION = Adapter(
    networks="networks of torchvision: ResNets, ResNeXts, RegNets, ConvNeXts, EfficientNets, MobileNets, ViTs, Swins",
    builder=_builder,
)
