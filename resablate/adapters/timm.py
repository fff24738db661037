"""Networks of timm."""

from __future__ import annotations

from typing import Any, cast

from torch import nn

from resablate.adapters.interface import Adapter, Builder
from resablate.errors import ResablateError, UnknownName


def _builder(model: str) -> Builder:
    try:
        import timm  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ResablateError(f"timm:{model} needs the package timm: pip install timm") from None
    library = cast(Any, timm)
    if not library.is_model(model):
        raise UnknownName("network of timm", model, library.list_models(), listing="timm.list_models()")

    def build(*, num_classes: int) -> nn.Module:
        return library.create_model(model, pretrained=False, num_classes=num_classes)

    return build


TIMM = Adapter(
    networks="networks of timm: ResNets, NFNets, ByobNets, ConvNeXts, ViTs, DeiTs, BEiTs, EVAs, Mixers, MetaFormers",
    builder=_builder,
)
