"""Networks of Hugging Face's transformers that classify images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from torch import nn

from resablate.adapters.interface import Adapter, Builder
from resablate.errors import ResablateError, UnknownName

_TYPES = ("resnet", "vit", "convnext", "convnextv2", "beit", "dinov2")


def _builder(model: str) -> Builder:
    try:
        import transformers  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ResablateError(f"huggingface:{model} needs the package transformers: pip install transformers") from None
    library = cast(Any, transformers)
    if model.endswith(".json"):
        if not Path(model).is_file():
            raise ResablateError(f"huggingface:{model}: no such file")
        config = library.AutoConfig.from_pretrained(model, local_files_only=True)
    elif model in _TYPES:
        config = library.AutoConfig.for_model(model)
    else:
        raise UnknownName("network of transformers", model, [*_TYPES, "PATH/config.json"])

    def build(*, num_classes: int) -> nn.Module:
        config.num_labels = num_classes
        return library.AutoModelForImageClassification.from_config(config)

    return build


HUGGINGFACE = Adapter(
    networks="image classifiers of transformers, by type (resnet, vit, convnext, ...) or by their config.json",
    builder=_builder,
)
