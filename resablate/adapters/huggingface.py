"""Networks of Hugging Face's transformers that classify images."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from resablate.adapters.interface import Adapter, Builder
from resablate.errors import CheckpointError, ResablateError, UnknownName, in_a_line
from resablate.torch_errors import is_out_of_memory

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
        try:
            config = library.AutoConfig.from_pretrained(model, local_files_only=True)
        except Exception as error:  # whatever a file that is no configuration makes transformers raise
            raise ResablateError(
                f"huggingface:{model}: no configuration of transformers: {in_a_line(error)}"
            ) from error
    elif model in _TYPES:
        config = library.AutoConfig.for_model(model)
    else:
        raise UnknownName("network of transformers", model, [*_TYPES, "PATH/config.json"])

    def build(*, num_classes: int) -> nn.Module:
        config.num_labels = num_classes
        return library.AutoModelForImageClassification.from_config(config)

    return build


def _own_names(network: nn.Module, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """What `save_pretrained` writes has the names of older versions, which `from_pretrained` translates."""
    if set(network.state_dict()) <= set(state):
        return state
    kind = cast(Any, type(network))
    try:
        with _quietly():
            loaded, said = kind.from_pretrained(
                None,
                config=cast(Any, network).config,
                state_dict=dict(state),
                dtype=next(network.parameters()).dtype,
                ignore_mismatched_sizes=True,  # they are refused with all others that do not fit
                local_files_only=True,
                output_loading_info=True,
            )
    except Exception as error:  # whatever the translation of names that it does not know makes transformers raise
        if is_out_of_memory(error):
            raise
        raise CheckpointError(f"transformers does not load these weights: {in_a_line(error)}") from error
    others = {name: torch.empty(shape, device="meta") for name, shape, _ in said["mismatched_keys"]}
    found: dict[str, Tensor] = loaded.state_dict()
    fitting = {name: tensor for name, tensor in found.items() if name not in said["missing_keys"]}
    return {**fitting, **others, **{name: state[name] for name in said["unexpected_keys"] if name in state}}


@contextmanager
def _quietly() -> Generator[None]:
    """Without the bars and reports of transformers, whose settings are again as they were."""
    from transformers.utils import logging  # pyright: ignore[reportMissingImports]

    library = cast(Any, logging)
    level, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity(library.CRITICAL)
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.set_verbosity(level)
        if bars:
            library.enable_progress_bar()


HUGGINGFACE = Adapter(
    networks="image classifiers of transformers, by type (resnet, vit, convnext, ...) or by their config.json",
    builder=_builder,
    own_names=_own_names,
)
