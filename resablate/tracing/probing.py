"""Images that a network takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn

from resablate.errors import ResablateError
from resablate.tracing.outputs import logits_in

_SIDES = (32, 64, 224, 28)
"""In pixels. Small ones first, which take little time; a network that takes one size alone is often of the later."""
_DECLARED_BY = ("img_size", "image_size", "input_size")
_LARGEST_SIDE = 1024
_IMAGES = 2


def probe_images(network: nn.Module) -> Tensor:
    """Two images of noise that `network` takes, in its type and on its device.

    Args:
        network: in eval mode.

    Raises:
        ResablateError: if it takes none of the sizes that it declares or that are common, or gives no logits.
    """
    example = next((p for p in network.parameters() if p.is_floating_point()), torch.empty(0))
    channels = _channels(network)
    reason = ""
    sizes = list(dict.fromkeys(_sizes(network)))
    for height, width in sizes:
        noise = torch.randn(_IMAGES, channels, height, width, generator=torch.Generator().manual_seed(0))
        images = noise.to(example.device, example.dtype)
        try:
            with torch.no_grad():
                output: object = network(images)
        except Exception as error:  # whatever a network raises for images that it does not take
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            continue
        logits_in(output, name=type(network).__name__)
        return images
    tried = ", ".join(f"{height}x{width}" for height, width in sizes)
    raise ResablateError(
        f"{type(network).__name__}: takes no images of {channels} channels and {tried} pixels ({reason}): give adapt"
        " two images that it takes, adapt(network, images), or the network an attribute input_size = (C, H, W)"
    )


def _channels(network: nn.Module) -> int:
    """Of the first convolution, or as declared; of images in color where neither is known."""
    convolutions = (module.in_channels for module in network.modules() if isinstance(module, nn.Conv2d))
    declared: Any = getattr(network, "input_size", None)
    known = isinstance(declared, list | tuple) and len(cast(Any, declared)) == len(("C", "H", "W"))
    return next(convolutions, int(declared[0]) if known else 3)


def _sizes(network: nn.Module) -> Iterator[tuple[int, int]]:
    declared = list(_declared(network))
    whole = max(declared, default=(_SIDES[2], _SIDES[2]))
    yield from ((side, side) for side in _SIDES[:2])
    yield from declared
    yield whole
    yield from ((side, side) for side in _SIDES[2:])


def _declared(network: nn.Module) -> Iterator[tuple[int, int]]:
    """What the network, its configuration, or one of its parts says of its images."""
    for module in network.modules():
        sources: list[Any] = [getattr(module, name, None) for name in ("config", "default_cfg")]
        for source in (module, *sources):
            for name in _DECLARED_BY:
                value = source.get(name) if isinstance(source, dict) else getattr(source, name, None)
                if (size := _pair(value)) is not None:
                    yield size


def _pair(value: object) -> tuple[int, int] | None:
    sides: list[Any] = list(cast(Any, value)) if isinstance(value, list | tuple) else [value]
    if not sides or not all(isinstance(side, int) and 0 < side <= _LARGEST_SIDE for side in sides[-2:]):
        return None
    return sides[-2:][0], sides[-1]
