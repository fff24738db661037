"""Forward passes of every make, taken apart: what acts in place, what draws, what depends on sizes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from resablate.adapters import adapt
from resablate.errors import ResablateError
from resablate.tracing import AdaptedBlock, chain_of
from resablate.tracing.additions import find_merges
from resablate.tracing.proof import prove
from tests.contracts.leftovers import assert_unchanged, state_of


class _Stem(nn.Module):
    """A stem and a head around one layer of 4 channels."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.stem, self.layer = nn.Conv2d(3, 4, 3, padding=1), layer
        self.head = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layer(self.stem(images)).mean((2, 3)))


class _Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)


class _PlainAdd(_Layer):
    def forward(self, x: Tensor) -> Tensor:
        return self.relu(x + self.norm(self.conv(x)))


class _InPlaceAdd(_Layer):
    def forward(self, x: Tensor) -> Tensor:
        out = self.norm(self.conv(x))
        out += x
        return functional.relu(out, inplace=True)


class _MethodAdd(_Layer):
    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).add_(x).relu_()


class _InPlaceFirst(_Layer):
    """The ReLU changes x before it is carried, which is what is carried then."""

    def forward(self, x: Tensor) -> Tensor:
        out = self.norm(self.conv(self.relu(x)))
        return out + x


class _Dropping(_Layer):
    def forward(self, x: Tensor) -> Tensor:
        return x + functional.dropout(self.norm(self.conv(x)), 0.5, self.training)


class _Sized(_Layer):
    """Keeps the sizes of one block's input for what follows the next."""

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        x = x + self.norm(self.conv(x))
        x = x.reshape(batch, channels, -1)
        x = x + x.softmax(dim=1).mul(2.0).sub(1.0)
        return x.reshape(batch, channels, height, width)


KINDS = [_PlainAdd, _InPlaceAdd, _MethodAdd, _InPlaceFirst, _Dropping, _Sized]


def _network(kind: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    network = _Stem(kind())
    network(torch.randn(8, 3, 16, 16))  # so that running statistics are none that one starts from
    return network.eval()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_in_both_modes_with_any_number_of_images(kind: type[nn.Module]) -> None:
    theirs = _network(kind)
    ours = adapt(theirs)
    assert len(ours.chain) == (2 if kind is _Sized else 1)
    for count, training in ((1, False), (5, False), (5, True)):
        theirs.train(training)
        ours.train(training)
        images = torch.randn(count, 3, 32, 32)
        statistics = [buffer.clone() for buffer in theirs.buffers()]
        torch.manual_seed(1)
        expected = theirs(images)
        with torch.no_grad():
            for buffer, before in zip(theirs.buffers(), statistics, strict=True):
                buffer.copy_(before)
        torch.manual_seed(1)
        assert torch.equal(ours(images), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_on_the_network(kind: type[nn.Module]) -> None:
    theirs = _network(kind).train()
    theirs.get_submodule("layer.norm").eval()  # frozen
    before = state_of(theirs)  # type: ignore[arg-type]
    adapt(theirs)
    assert_unchanged(before, state_of(theirs))  # type: ignore[arg-type]


def test_the_input_of_a_block_is_left_alone() -> None:
    """What acts in place on a sum, or on what a block is given, acts on a copy."""
    for kind in KINDS:
        block = adapt(_network(kind)).chain[0]
        x = torch.randn(2, 4, 16, 16)
        kept = x.clone()
        with torch.no_grad():
            block(x)
        assert torch.equal(x, kept), kind


def test_a_fault_of_the_network_leaves_no_hook() -> None:
    class Failing(_PlainAdd):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("in the middle")

    theirs = _Stem(Failing()).eval()
    with pytest.raises(ValueError, match="in the middle"):
        find_merges(theirs, torch.randn(2, 3, 8, 8))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in theirs.modules())


class _Off(nn.Module):
    """Almost the identity, where nobody looks."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 + 1e-6)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("branch", r"layer: gives something else than what was made of it; its logits are not the network's$"),
        ("match", r"layer: gives something else than what was made of it"),
        ("stem", r"(layer|before the first block or behind the last one).* gives something else"),
        ("head", r"before the first block or behind the last one it gives something else"),
    ],
)
def test_a_chain_that_is_not_the_network_is_found_out(part: str, message: str) -> None:
    theirs = _network(_PlainAdd)
    images = torch.randn(2, 3, 16, 16)
    wrong = chain_of(theirs, images)
    owner: Any = wrong if part in ("stem", "head") else wrong.chain[0]
    setattr(owner, part, nn.Sequential(getattr(owner, part), _Off()))
    with pytest.raises(ResablateError, match=message):
        prove(theirs, wrong, images)


class _Detaching(nn.Module):
    """The same values, and half of the gradient."""

    def forward(self, x: Tensor) -> Tensor:
        return x.detach() + 0.5 * (x - x.detach())


@pytest.mark.parametrize("part", ["branch", "match"])
def test_a_chain_with_another_gradient_is_found_out(part: str) -> None:
    theirs = _network(_PlainAdd)
    images = torch.randn(2, 3, 16, 16)
    wrong = chain_of(theirs, images)
    block = wrong.chain[0]
    assert isinstance(block, AdaptedBlock)
    setattr(block, part, nn.Sequential(getattr(block, part), _Detaching()))
    with pytest.raises(ResablateError, match="the gradients of its paths do not add up to its gradient"):
        prove(theirs, wrong, images)


def test_what_is_zero_before_training_hides_nothing() -> None:
    theirs = _network(_PlainAdd)
    with torch.no_grad():
        theirs.get_submodule("head").get_parameter("weight").zero_()
    images = torch.randn(2, 3, 16, 16)
    wrong = chain_of(theirs, images)
    wrong.chain[0].branch = nn.Sequential(wrong.chain[0].get_submodule("branch"), _Off())
    with pytest.raises(ResablateError, match="layer: gives something else"):
        prove(theirs, wrong, images)


class _Minus(_Layer):
    def forward(self, x: Tensor) -> Tensor:
        return x - self.norm(self.conv(x))


class _MinusCarried(_Layer):
    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).sub_(x)


@pytest.mark.parametrize("kind", [_Minus, _MinusCarried])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_what_is_subtracted_is_added_with_the_other_sign(kind: type[nn.Module], dtype: torch.dtype) -> None:
    theirs = _network(kind)
    ours = adapt(theirs).to(dtype)
    images = torch.randn(2, 3, 16, 16, dtype=dtype)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))
        x = torch.randn(2, 4, 8, 8, dtype=dtype)
        sides = ours.chain[0].sides(x)
        assert torch.equal(sides.carried, x if kind is _Minus else -x)
        assert torch.equal(sides.carried + sides.added, theirs.get_submodule("layer")(x))


def _sign(x: Tensor) -> Tensor:
    """Cannot be traced, and has a name that torch's own tracer would not call whole."""
    return x if x.shape[0] > 0 else -x


class _Helped(nn.Module):
    """Calls a private function of its module, where nothing is added."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = _PlainAdd()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(_sign(x))


def test_private_functions_are_called_whole() -> None:
    theirs = _network(_Helped)
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(adapt(theirs)(images), theirs(images))
    assert not hasattr(_sign, "__wrapped__"), "and are as they were"


class _Angles(_Layer):
    """A tensor that is made of the size alone, once, and used by two blocks; as EVA's angles of positions."""

    def forward(self, x: Tensor) -> Tensor:
        angles = torch.linspace(0, 1, x.shape[3], dtype=x.dtype)
        x = x + self.norm(self.conv(x * angles))
        return x + self.conv(x + angles).relu()


def test_a_tensor_made_of_sizes_is_no_activation() -> None:
    theirs = _network(_Angles)
    ours = adapt(theirs)
    assert len(ours.chain) == 2
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))


class _Encoder(nn.Module):
    def __init__(self, **keywords: Any) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, **keywords)
        self.patches = nn.Conv2d(3, 16, 8, 8)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.encoder(self.patches(images).flatten(2).transpose(1, 2)).mean(1))


@pytest.fixture
def unfused() -> Any:
    torch.backends.mha.set_fastpath_enabled(False)
    yield
    torch.backends.mha.set_fastpath_enabled(True)


@pytest.mark.parametrize("norm_first", [True, False], ids=["before", "behind"])
def test_torch_s_transformer_layers_are_two_blocks_each(unfused: None, norm_first: bool) -> None:
    torch.manual_seed(0)
    theirs = _Encoder(norm_first=norm_first, activation="gelu").eval()
    ours = adapt(theirs)
    assert len(ours.chain) == 4
    images = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))
        x = torch.randn(2, 16, 16)
        if norm_first:
            assert torch.equal(ours.chain[0].bypass(x), x)
    assert not torch.backends.mha.get_fastpath_enabled(), "the switch is as it was"


def test_a_fused_layer_is_refused_with_the_switch_that_parts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """On some processors the fused function gives the same bits; here it gives others."""
    fused = torch._transformer_encoder_layer_fwd
    monkeypatch.setattr(torch, "_transformer_encoder_layer_fwd", lambda *given: 1.001 * fused(*given))
    torch.manual_seed(0)
    with pytest.raises(
        ResablateError,
        match=r"^_Encoder: in eval mode torch .* \(encoder\.layers\.0, encoder\.layers\.1\); turn that off,"
        r" torch\.backends\.mha\.set_fastpath_enabled\(False\), and adapt again$",
    ):
        adapt(_Encoder(norm_first=True).eval())
    assert torch.backends.mha.get_fastpath_enabled()


class KeepsSides(nn.Module):
    """A later block goes through an arrangement by the height and width of what the stem gave."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.middle = nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.stem(images)
        count, channels, height, width = x.shape
        x = x + self.middle(x)
        x = x + self.last(x.flatten(2).reshape(count, channels, height, width)).reshape(x.shape)
        return self.head(x.mean((2, 3)))


def test_sides_that_a_block_keeps_from_the_trace_are_no_other_network_s() -> None:
    """Images of 64x16 would be arranged as 32x32, and give other logits without a word."""
    with pytest.raises(ResablateError, match="other logits for images of 64x16 pixels"):
        adapt(KeepsSides())


def test_a_chain_without_a_parameter_of_the_logits_is_refused_by_its_name() -> None:
    theirs = _network(_PlainAdd)
    frozen = theirs.get_submodule("head").requires_grad_(False)
    images = torch.randn(2, 3, 16, 16)
    wrong = chain_of(theirs, images)
    wrong.head = nn.Identity()
    with pytest.raises(ResablateError, match=r"^_Stem: has no place for head\.weight, head\.bias, which its logits"):
        prove(theirs, wrong, images)
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["layer.conv.weight", "layer.norm.running_mean"])
def test_a_diverged_network_is_told_from_one_that_is_no_chain(name: str, value: float) -> None:
    theirs = _network(_PlainAdd)
    theirs.state_dict()[name].view(-1)[1] = value
    with pytest.raises(ResablateError, match=rf"^_Stem: 1 of its parameters .* NaN or infinity, .*: {name}$"):
        adapt(theirs)


class _Scaled(_Layer):
    """Sums with a factor of torch's own: exact in two steps for a power of two."""

    def __init__(self, call: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.call = call

    def forward(self, x: Tensor) -> Tensor:
        return self.call(x, self.norm(self.conv(x)))


SCALED: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], float]] = {
    "add": (lambda x, f: torch.add(x, f, alpha=2), 2),
    "add-by-name": (lambda x, f: torch.add(x, other=f, alpha=0.25), 0.25),
    "method": (lambda x, f: x.add(f, alpha=-0.5), -0.5),
    "sub": (lambda x, f: torch.sub(x, f, alpha=0.5), -0.5),
    "method-sub": (lambda x, f: x.sub(f, alpha=4), -4),
    "in-place": (lambda x, f: x.clone().add_(f, alpha=1), 1),
}


@pytest.mark.parametrize("kind", SCALED)
def test_a_factor_of_a_sum_belongs_to_the_branch(kind: str) -> None:
    call, factor = SCALED[kind]
    theirs = _network(lambda: _Scaled(call))  # type: ignore[arg-type]
    ours = adapt(theirs)
    x = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        sides = ours.chain[0].sides(x)
        layer = theirs.get_submodule("layer")
        assert torch.equal(sides.carried, x)
        assert torch.equal(sides.added, factor * layer.get_submodule("norm")(layer.get_submodule("conv")(x)))


@pytest.mark.parametrize(
    ("call", "alpha"),
    [(lambda x, f: torch.add(x, f, alpha=0.3), "0.3"), (lambda x, f: x.sub(f, alpha=0.3), "-0.3")],
)
def test_another_factor_is_named_with_what_to_write(call: Callable[[Tensor, Tensor], Tensor], alpha: str) -> None:
    with pytest.raises(ResablateError, match=rf"layer adds with alpha={alpha}, .*: write x \+ {alpha} \* y;"):
        adapt(_network(lambda: _Scaled(call)))  # type: ignore[arg-type]
