"""The proof that a chain of blocks is the network that it was made of."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from resablate.errors import ResablateError, first_few
from resablate.model.block import Block
from resablate.model.modes import evaluation_mode
from resablate.model.network import ResidualNetwork
from resablate.model.route import Route
from resablate.tracing.outputs import logits_of

_WITHIN = 1e-12
"""Of the largest: gradients in double precision whose parts are added in another order."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_UNTRAINED = 1e-3
"""A parameter that is the same number everywhere, and less than this, lets nothing through that could be compared."""
_SPREAD = 0.05


def prove(network: nn.Module, adapted: ResidualNetwork, images: Tensor) -> None:
    """Check that `adapted` is `network`, in eval mode.

    Its logits are the network's bit for bit, in its own precision and in double precision; and in double precision the
    gradients of all 2^n paths add up to the network's ordinary gradient: at every block, what comes back through the
    carried side and what comes back through the added side are computed apart, added, and taken to the block before.
    What is zero in a network that has not trained, and would hide something, is drawn at random for the second part.
    Where the network takes images of as many pixels and other sides too, its logits of them are not other ones.

    Args:
        network: left as it is.
        adapted: shares its modules.
        images: that the network takes.

    Raises:
        ResablateError: with the name of the module where the two part, or of the parameters that hold NaN or infinity,
            as nothing that comes of them can be compared.
    """
    refuse_non_finite(network)
    _check_whole(network, adapted, images)
    with evaluation_mode(network), evaluation_mode(adapted):
        _check_logits(network, adapted, images)
        _check_other_sides(network, adapted, images)
        # Copied together, so that the copies share their modules too.
        pair = nn.ModuleList(copy.deepcopy([network, adapted])).double()
    theirs, ours = pair
    assert isinstance(ours, ResidualNetwork)
    _fill_gains(theirs)
    image = images[:1].double()
    _check_inputs_kept(ours, image)
    _check_logits(theirs, ours, image)
    _check_gradients(theirs, ours, image)


def _check_inputs_kept(adapted: ResidualNetwork, images: Tensor) -> None:
    """No block changes what it is given: its other side, and the other variants of a study, use that too."""
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        x = adapted.stem(images)
        for index, block in enumerate(adapted.chain):
            # Of both signs, unlike what comes out of a ReLU, which another ReLU would not change.
            noise = torch.randn(x.shape, generator=draw, dtype=torch.float64).to(x.device)
            given = noise.clone()
            block(given)
            if not torch.equal(given, noise):
                raise ResablateError(
                    f"{place_of(block, index)}: changes its input in place, so that its two sides cannot be told apart"
                )
            x = block(x)


def refuse_non_finite(network: nn.Module) -> None:
    """Check that the parameters, and running statistics, of `network` are finite, as those of a diverged one are not.

    Raises:
        ResablateError: with the names of those that hold NaN or infinity.
    """
    parameters = [*network.named_parameters()]
    statistics = [(name, buffer) for name, buffer in network.named_buffers() if "running_" in name]
    wrong = [name for name, tensor in parameters + statistics if not bool(torch.isfinite(tensor).all())]
    if wrong:
        raise ResablateError(
            f"{type(network).__name__}: {len(wrong)} of its parameters and statistics hold NaN or infinity, as of a"
            f" training that diverged, so that its logits say nothing: {first_few(wrong, 3)}"
        )


def _check_whole(network: nn.Module, adapted: ResidualNetwork, images: Tensor) -> None:
    """Nothing that the network's logits come of is left out, and nothing is passed by that others hooked to it.

    What is left out and is used by none, as a head that only training has, is no part of the chain.
    """
    name = type(network).__name__
    kept = {id(parameter) for parameter in adapted.parameters()}
    left = {place: parameter for place, parameter in network.named_parameters() if id(parameter) not in kept}
    if used := _used(network, left, images):
        raise ResablateError(f"{name}: has no place for {first_few(used, 3)}, which its logits come of")
    inside = set(adapted.modules())
    for place, module in network.named_modules():
        if module not in inside and any(getattr(module, hooks) for hooks in _HOOKS):
            raise ResablateError(
                f"{place or name}: it has hooks, which would not be called in an adapted network; remove them"
            )


def _used(network: nn.Module, parameters: Mapping[str, nn.Parameter], images: Tensor) -> list[str]:
    """The names of those that the logits of `network` in eval mode have a gradient by."""
    asked = {name: parameter for name, parameter in parameters.items() if parameter.is_floating_point()}
    frozen = [parameter for parameter in asked.values() if not parameter.requires_grad]
    if not asked:
        return []
    try:
        for parameter in frozen:
            parameter.requires_grad_(True)
        with evaluation_mode(network), torch.enable_grad():
            total = logits_of(network, images).sum()
            if not total.requires_grad:
                return []
            found = cast(Any, torch.autograd.grad(total, [*asked.values()], allow_unused=True))
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
    return [name for name, gradient in zip(asked, found, strict=True) if gradient is not None]


def _check_logits(network: nn.Module, adapted: ResidualNetwork, images: Tensor) -> None:
    with torch.no_grad():
        expected, found = logits_of(network, images), adapted(images)
    if torch.equal(expected, found):
        return
    if torch.backends.mha.get_fastpath_enabled() and (fused := _fused_layers(network)):
        raise ResablateError(
            f"{type(network).__name__}: in eval mode torch computes a TransformerEncoderLayer as one fused function, in"
            f" which nothing is added that could be taken apart ({first_few(fused, 3)}); turn that off,"
            " torch.backends.mha.set_fastpath_enabled(False), and adapt again"
        )
    raise ResablateError(f"{type(network).__name__}: {_first_difference(network, adapted, images)}")


def _check_other_sides(network: nn.Module, adapted: ResidualNetwork, images: Tensor) -> None:
    """A height and width that a block kept from the images of the trace would give other logits without a word."""
    others = images.reshape(*images.shape[:2], 2 * images.shape[2], -1) if images.shape[-1] % 2 == 0 else images
    try:
        with torch.no_grad():
            expected = logits_of(network, others)
            found = adapted(others)
    except Exception:  # whatever a network raises for images that it does not take
        return
    if not torch.equal(expected, found):
        height, width = others.shape[2:]
        raise ResablateError(
            f"{type(network).__name__}: gives other logits for images of {height}x{width} pixels, as a block kept the"
            f" sides of the {images.shape[2]}x{images.shape[3]} that it was traced with: compute them from the block's"
            " own input, x.shape"
        )


def _fused_layers(network: nn.Module) -> list[str]:
    return [name for name, module in network.named_modules() if isinstance(module, nn.TransformerEncoderLayer)]


def _first_difference(network: nn.Module, adapted: ResidualNetwork, images: Tensor) -> str:
    """Where the two part: the first module whose own output is not that of the block that was made of it."""
    seen: dict[str, Any] = {}
    places = {place_of(block, index): index for index, block in enumerate(adapted.chain)}  # the last of each place

    def note(place: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _module, _inputs, output: seen.update({place: output})

    hooks = [
        module.register_forward_hook(note(place))
        for place, module in network.named_modules()
        if place and place in places
    ]
    try:
        with torch.no_grad():
            logits_of(network, images)
            x = adapted.stem(images)
            for index, block in enumerate(adapted.chain):
                x = block(x)
                place = place_of(block, index)
                if places[place] == index and isinstance(seen.get(place), Tensor) and not torch.equal(seen[place], x):
                    return f"{place}: gives something else than what was made of it; its logits are not the network's"
    finally:
        for hook in hooks:
            hook.remove()
    return "before the first block or behind the last one it gives something else than what was made of it"


def place_of(block: Block, index: int) -> str:
    """The name of the module that a block was made of; that of the block where it does not tell."""
    place = getattr(block, "place", "")
    return place if isinstance(place, str) and place else f"blocks.{index}"


def _fill_gains(network: nn.Module) -> None:
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.numel() and parameter.is_floating_point():
                low, high = parameter.aminmax()
                if low == high and abs(float(low)) < _UNTRAINED:
                    noise = torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
                    parameter.copy_(_SPREAD * noise.to(parameter.device))


def _check_gradients(network: nn.Module, adapted: ResidualNetwork, images: Tensor) -> None:
    leaf = images.clone().requires_grad_()
    with torch.enable_grad():
        logits = logits_of(network, leaf)
        weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        weights = weights.to(logits.device)
        (expected,) = torch.autograd.grad(logits, leaf, weights)
        found = _sum_over_paths(adapted, images, weights)
    if not _close(found, expected):
        gap, largest = (float(tensor.abs().max()) for tensor in (found - expected, expected))
        raise ResablateError(
            f"{type(network).__name__}: the gradients of its paths do not add up to its gradient (they are {gap:.1e}"
            f" apart, of {largest:.1e})"
        )


def _close(found: Tensor, expected: Tensor) -> bool:
    return float((found - expected).abs().max()) <= _WITHIN * float(expected.abs().max())


def _sum_over_paths(adapted: ResidualNetwork, images: Tensor, weights: Tensor) -> Tensor:
    """The gradients of all 2^n paths by `images`, added: both sides of every block, one after the other."""
    entering = images.clone().requires_grad_()
    stem = adapted.stem(entering)
    inputs = [stem.detach()]
    with torch.no_grad():
        for block in adapted.chain:
            inputs.append(block(inputs[-1]))
    last = inputs[-1].requires_grad_()
    (gradient,) = torch.autograd.grad(adapted.head(last), last, weights)
    for index in reversed(range(len(adapted.chain))):
        block, x = adapted.chain[index], inputs[index].requires_grad_()
        behind = gradient
        sides = [_pulled(block, x, behind, route) for route in _ONE_SIDE]
        gradient = sides[0] + sides[1]
        whole = _pulled(block, x, behind, Route.BOTH)
        if not _close(gradient, whole):
            raise ResablateError(f"{place_of(block, index)}: the gradients of its two sides do not add up to its own")
    return torch.autograd.grad(stem, entering, gradient, materialize_grads=True)[0]


_ONE_SIDE = (Route.GRADIENT_BY_SHORTCUT, Route.GRADIENT_BY_BRANCH)


def _pulled(block: Block, x: Tensor, gradient: Tensor, route: Route) -> Tensor:
    output = block(x, route)
    if not output.requires_grad:
        return torch.zeros_like(x)
    return torch.autograd.grad(output, x, gradient, materialize_grads=True)[0]
