"""Networks that draw at random: what they compute is no one chain."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from resablate.errors import ResablateError, first_few
from resablate.tracing.additions import modules_under_way
from resablate.tracing.outputs import logits_of

_TRIES = 16
"""Of draws with other seeds: that a branch which is dropped half of the time shows in none has a chance of 3e-5."""


def refuse_draws(network: nn.Module, images: Tensor) -> None:
    """Check that `network`, in eval mode, gives the same for the same images.

    What is drawn and used for nothing is no matter. No generator is left in another state.

    Args:
        network: in eval mode; left as it is.
        images: what it takes.

    Raises:
        ResablateError: with the names of the modules that draw.
    """
    places = _drawing(network, images)
    if not places or not _gives_several(network, images):
        return
    raise ResablateError(
        f"{type(network).__name__}: draws at random in eval mode too, in {first_few(places, 3)}, so that no two passes"
        " of the same images are alike. Where it draws, let it ask for its mode, as in"
        " functional.dropout(x, p, training=self.training), or remove the draws; then network.eval() and adapt"
    )


def _drawing(network: nn.Module, images: Tensor) -> list[str]:
    """The modules in whose own forward passes a generator of torch, NumPy or Python moves on."""
    found: dict[str, None] = {}
    with _Generators(images) as generators, torch.no_grad():

        def look(place: str) -> None:
            if generators.moved():
                found[place or "its forward"] = None

        with modules_under_way(network, look):
            network(images)
        look("")
    return list(found)


def _gives_several(network: nn.Module, images: Tensor) -> bool:
    with _Generators(images) as generators, torch.no_grad():
        first = logits_of(network, images)
        for seed in range(_TRIES):
            generators.seed(seed)
            if not torch.equal(logits_of(network, images), first):
                return True
    return False


class _Generators:
    """The global generators, which are again as they were on leaving."""

    def __init__(self, images: Tensor) -> None:
        self._device = images.device if images.device.type == "cuda" else None
        self._last = self._begin = self._states()

    def __enter__(self) -> _Generators:
        return self

    def __exit__(self, *_: object) -> None:
        torch.set_rng_state(self._begin[0])
        if self._device is not None:
            torch.cuda.set_rng_state(self._begin[1], self._device)
        np.random.set_state(self._begin[2])
        random.setstate(self._begin[3])

    def moved(self) -> bool:
        """Whether one of them has moved since this was asked last."""
        before, self._last = self._last, self._states()
        same = [torch.equal(one, other) for one, other in zip(before[:2], self._last[:2], strict=True)]
        numpy_s = [state[1].tobytes() + bytes(str(state[2:]), "ascii") for state in (before[2], self._last[2])]
        return not all(same) or numpy_s[0] != numpy_s[1] or before[3] != self._last[3]

    def seed(self, seed: int) -> None:
        """Begin all of them anew."""
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)

    def _states(self) -> tuple[Tensor, Tensor, Any, Any]:
        cuda = torch.empty(0) if self._device is None else torch.cuda.get_rng_state(self._device)
        return torch.get_rng_state(), cuda, np.random.get_state(), random.getstate()
