"""Which choices of a training no pack carries out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resablate.augmentations import MIXINGS
from resablate.component import Component
from resablate.registry import Registry
from resablate.training.averaging import AVERAGINGS
from resablate.training.clipping import CLIPPINGS

_PACKING: Mapping[str, Registry[Any]] = {"mixing": MIXINGS, "clipping": CLIPPINGS, "averaging": AVERAGINGS}
"""Fields whose rows say themselves whether they pack."""


def why_alone(choices: Mapping[str, Component], *, every_block: bool, compile: bool) -> list[str]:
    """Why a training can be in no pack, a line for each choice; nothing where none of these is in the way.

    Args:
        choices: field -> its row, of mixing, clipping, averaging, block_sampling and any others.
        every_block: whether every batch passes all blocks.
        compile: whether its blocks are compiled.
    """
    found = ["compile: a network that is compiled trains alone"] if compile else []
    found += [
        f"{field} {choices[field]}: does not say that it packs"
        for field, table in _PACKING.items()
        if not getattr(table[choices[field].name], "packs", True)
    ]
    if not every_block:
        found.append(f"block_sampling {choices['block_sampling']}: each member leaves out blocks of its own")
    return found
