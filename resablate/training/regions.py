"""A network's forward pass, compiled one kind of block at a time.

A deep network is a few kinds of blocks, each repeated: torch compiles a kind where it first meets it, and what it made
serves all blocks of the kind, in this training and in every later one of the process, since parameters are inputs of
compiled code. Stem and head are a layer or two, which compiling would not repay, and neither would the one block of a
stage of eighteen that changes the dimension.
"""

import logging
from collections import Counter
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from resablate.model import ResidualNetwork
from resablate.model.block import Block

_LIMIT = 256
"""Variants of one function that torch is to keep, rather than its usual 8; as many as it keeps of all functions."""
_LEAST_SHARE = 0.05
"""Of a network's blocks; a kind of fewer is not compiled, which takes as long as for the kind of most."""
_seen: set[str] = set()
"""The kinds of blocks that this process has compiled, or will."""


def compiled_by_block(network: ResidualNetwork) -> Callable[[Tensor], Tensor]:
    """The forward pass of `network`, images (B, C, H, W) -> logits (B, classes); `network` itself stays as it is.

    Each size of batch is compiled for itself, at its first step.

    Source: "Reducing torch.compile cold start compilation time with regional compilation", torch's tutorials.
    """
    texts = [repr(block) for block in network.chain]
    kinds = {text for text, count in Counter(texts).items() if count >= _LEAST_SHARE * len(texts)}
    chain = [(block, text in kinds) for block, text in zip(network.chain, texts, strict=True)]
    # Two sizes of batch, and twice that for what a block's text does not show. Past the limit torch stops compiling.
    if 4 * len(_seen | kinds) > _LIMIT:
        torch.compiler.reset()
        _seen.clear()
    _seen.update(kinds)

    def forward(images: Tensor) -> Tensor:
        compiled = _compiled()
        x = network.stem(images)
        for block, repays in chain:
            x = compiled(block, x) if repays else block(x)
        return network.head(x)

    return forward


def _run(block: Block, x: Tensor) -> Tensor:
    return block(x)


@cache
def _compiled() -> Callable[[Block, Tensor], Tensor]:
    """Not before it is needed: the compiler is slow to import."""
    # The compiler would warn of a CUDA without a device, to somebody who asked for none.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    torch.compiler.config.recompile_limit = max(_LIMIT, torch.compiler.config.recompile_limit)
    return torch.compile(_run, dynamic=False)
