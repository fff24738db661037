"""Precision, memory format and compilation change how steps compute, by as much as is stated here, and nothing else."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from resablate.analyses import ANALYSES, Analysis
from resablate.check import check_trial
from resablate.component import Component
from resablate.errors import SpecError, UnknownName
from resablate.measurement import AnalysisResult
from resablate.model import ResidualNetwork
from resablate.question import Question
from resablate.training import (
    MEMORY_FORMATS,
    PRECISIONS,
    Training,
    evaluate,
    float32_products,
    load_weights,
    resume,
    save_checkpoint,
    save_weights,
)
from resablate.trial import run_trial
from tests.networks import make_generator
from tests.training.runs import make_digits_network, make_splits, make_training, numbers, run, same_bits, small_spec

compiler = pytest.mark.skipif(
    sys.platform == "win32" or not (shutil.which("g++") or shutil.which("clang++")),
    reason="no C++ compiler here, which torch.compile needs on a CPU",
)
cuda = pytest.param("cuda", marks=pytest.mark.gpu)
REGIMES = [
    pytest.param({"precision": "tf32"}, 0.0, id="tf32"),
    pytest.param({"precision": "bf16"}, 1e-2, id="bf16"),
    pytest.param({"memory_format": "channels_last"}, 1e-4, id="channels_last"),
    pytest.param({"compile": True, "batch_size": 96}, 1e-4, id="compile", marks=[compiler, pytest.mark.slow]),
    pytest.param(
        {"precision": "bf16", "memory_format": "channels_last", "compile": True, "batch_size": 96},
        1e-2,
        id="all",
        marks=[compiler, pytest.mark.slow],
    ),
]
"""A regime, and how far the losses of its first steps may be from those of float32, as a part of them."""


@pytest.fixture(autouse=True, scope="module")
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is compiled for one test serves the others, and nothing of it is left on the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("compiled")))
        patch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")
        yield


def three_blocks(device: str = "cpu", **keywords: Any) -> ResidualNetwork:
    """The smallest network there is: a block takes seconds to compile."""
    return make_digits_network(network={"name": "resnet", "block": "single"}, depth=5, **keywords).to(device)


def bottlenecks(device: str = "cpu", **keywords: Any) -> ResidualNetwork:
    """With 1x1 kernels, whose two memory formats are the same bytes."""
    network = {"name": "resnet", "block": "bottleneck", "transition": "projection"}
    return make_digits_network(network=network, depth=11, ordering="full_preactivation", **keywords).to(device)


def fields_of(device: str) -> dict[str, Any]:
    """Three epochs of a batch of 64 and one of 32."""
    return {"splits": make_splits(device=device), "epochs": 3, "batch_size": 64, "learning_rate": 0.02}


def flags() -> tuple[bool, bool]:
    """Whether a GPU's matrix products and convolutions of float32 round to TF32."""
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture(params=["highest", "high", "medium"])
def matmul_precision(request: pytest.FixtureRequest) -> Iterator[str]:
    """A setting of the program around, with convolutions as torch has them."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(request.param)
    yield request.param
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("device", ["cpu", cuda])
@pytest.mark.parametrize(("regime", "tolerance"), REGIMES)
def test_first_losses_are_those_of_float32(regime: dict[str, Any], tolerance: float, device: str) -> None:
    if device == "cuda":
        tolerance = max(tolerance, 1e-2)  # TF32 has 10 bits of mantissa there
    plain = {"precision": "float32", "memory_format": "contiguous", "compile": False}
    network = three_blocks if regime.get("compile") else bottlenecks
    theirs = make_training(network(device), **{**fields_of(device), **regime, **plain})
    ours = make_training(network(device), **{**fields_of(device), **regime})
    expected, losses = ([row.train_loss for row in run(training).history] for training in (theirs, ours))
    assert losses == (expected if not tolerance else pytest.approx(expected, rel=tolerance))
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("device", ["cpu", cuda])
@pytest.mark.parametrize(("regime", "tolerance"), REGIMES)
def test_a_stopped_training_continues_bit_for_bit(
    regime: dict[str, Any], tolerance: float, device: str, tmp_path: Path
) -> None:
    def fresh() -> Training:
        network = three_blocks(device, shortcut="identity" if regime.get("compile") else "dropout")
        return make_training(network, **{**fields_of(device), "augmentation": "crop_flip", **regime})

    continues_bit_for_bit(fresh, tmp_path)


@pytest.mark.slow
@compiler
def test_a_kind_of_block_is_compiled_once_for_all_blocks_and_trainings() -> None:
    """After one network, others of the same kinds of blocks compile nothing, deeper ones neither; and losses stay."""
    regime = {**fields_of("cpu"), "compile": True, "batch_size": 96}
    compiled, plain = (
        make_training(three_blocks(), **regime),
        make_training(three_blocks(), **{**regime, "compile": False}),
    )
    assert compiled.run_epoch().train_loss == pytest.approx(plain.run_epoch().train_loss, rel=1e-4)
    one, other = (three_blocks(generator=make_generator(seed)) for seed in (1, 2))
    deeper = ResidualNetwork(stem=one.stem, blocks=[one.chain[0], other.chain[0], *one.chain[1:]], head=one.head)
    with torch.compiler.set_stance("fail_on_recompile"):
        for network in (three_blocks(generator=make_generator(3)), deeper):
            assert make_training(network, **regime, seed=3).run_epoch().train_loss > 0
        with pytest.raises(RuntimeError, match="recompile"):
            make_training(three_blocks(width=5), **regime).run_epoch()


@pytest.mark.slow
@compiler
@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_nobody_is_warned_of_a_gpu_that_was_not_asked_for() -> None:
    """Where CUDA's compiler is installed and no device is."""
    program = (
        "from tests.training.test_arithmetic import fields_of, make_training, three_blocks;"
        " make_training(three_blocks(), **fields_of('cpu'), compile=True).run_epoch()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "CUDA_HOME": "/usr"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stderr == ""


@compiler
@pytest.mark.slow
def test_compiled_dropout_continues_bit_for_bit(tmp_path: Path) -> None:
    """Compiled code draws its own random numbers, but from a seed torch's generator gives it; two sizes of batch."""
    continues_bit_for_bit(
        lambda: make_training(three_blocks(shortcut="dropout"), **fields_of("cpu"), compile=True), tmp_path
    )


def continues_bit_for_bit(fresh: Callable[[], Training], folder: Path) -> None:
    stopped = fresh()
    stopped.run_epoch()
    save_checkpoint(folder, stopped)
    continued = fresh()
    assert resume(folder, continued) == {}
    assert same_bits(continued, stopped)
    run(stopped)
    run(continued)
    assert same_bits(continued, stopped)
    assert numbers(continued.history) == numbers(stopped.history)


@pytest.mark.parametrize(("regime", "tolerance"), REGIMES)
def test_the_network_stays_what_it_was(regime: dict[str, Any], tolerance: float, tmp_path: Path) -> None:
    """The same parameters under the same names, in float32 and contiguous; weights and evaluations are unaffected."""
    make = three_blocks if regime.get("compile") else bottlenecks
    network = make()
    before = {name: (value.dtype, value.stride()) for name, value in network.state_dict().items()}
    parameters = list(network.parameters())
    training = make_training(network, **{**fields_of("cpu"), **regime})
    row = training.run_epoch()
    assert {name: (value.dtype, value.stride()) for name, value in training.network.state_dict().items()} == before
    assert all(one is two for one, two in zip(network.parameters(), parameters, strict=True))
    kept = {n: v for n, v in training.tensors().items() if n.startswith(("network.", "optimizer.state."))}
    assert all(value.dtype is torch.float32 for value in kept.values() if value.is_floating_point())
    save_weights(tmp_path / "weights.safetensors", training.network)
    loaded = make(generator=make_generator(1))
    load_weights(tmp_path / "weights.safetensors", loaded)
    found = evaluate(loaded, make_splits().val)
    assert (row.val_error, row.val_loss) == (found.error, found.loss)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_gpu_s_products_round_as_asked_in_steps_alone(precision: str, matmul_precision: str) -> None:
    before = flags()
    training = make_training(precision=precision, epochs=1)
    seen: dict[str, set[tuple[bool, bool]]] = {"step": set(), "backward": set(), "evaluation": set()}
    network = training.network
    network.register_forward_pre_hook(
        lambda module, inputs: seen["step" if module.training else "evaluation"].add(flags())
    )
    next(network.parameters()).register_hook(lambda gradient: seen["backward"].add(flags()))
    training.run_epoch()
    asked = precision == "tf32"
    assert seen == {"step": {(asked, asked)}, "backward": {(asked, asked)}, "evaluation": {(False, False)}}
    assert flags() == before
    assert torch.get_float32_matmul_precision() == matmul_precision


def test_nothing_is_left_behind_by_a_failure() -> None:
    network = bottlenecks()
    strides = [parameter.stride() for parameter in network.parameters()]
    training = make_training(network, precision="tf32", memory_format="channels_last")
    before = flags()

    def fail(*args: object) -> None:
        assert flags() == (True, True)
        assert any(
            parameter.stride() != stride for parameter, stride in zip(network.parameters(), strides, strict=True)
        )
        raise RuntimeError("in the middle")

    training.optimizer.register_step_pre_hook(fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        training.run_epoch()
    assert flags() == before
    assert [parameter.stride() for parameter in network.parameters()] == strides
    with pytest.raises(RuntimeError, match="inside"), float32_products(PRECISIONS["tf32"]):
        raise RuntimeError("inside")
    assert flags() == before


@pytest.mark.parametrize("precision", PRECISIONS)
def test_bfloat16_is_of_the_forward_pass_of_steps_alone(precision: str) -> None:
    network = bottlenecks()
    types: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, inputs, output: types[module.training].add(output.dtype))
    training = make_training(network, precision=precision, epochs=1)
    training.run_epoch()
    assert types == {True: {torch.bfloat16 if precision == "bf16" else torch.float32}, False: {torch.float32}}


def test_channels_last_reaches_every_convolution() -> None:
    network = bottlenecks()
    seen: list[bool] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1):
            module.register_forward_hook(
                lambda module, inputs, output: (
                    seen.append(
                        all(
                            t.is_contiguous(memory_format=torch.channels_last)
                            for t in (module.weight, inputs[0], output)
                        )
                    )
                    if module.training
                    else None
                )
            )
    make_training(network, memory_format="channels_last", epochs=1).run_epoch()
    assert seen
    assert all(seen)


def test_momentum_comes_back_in_the_layout_of_the_steps(tmp_path: Path) -> None:
    def layouts(training: Training) -> list[bool]:
        buffers = [state["momentum_buffer"] for state in training.optimizer.state.values()]
        return [buffer.is_contiguous(memory_format=torch.channels_last) for buffer in buffers if buffer.ndim == 4]

    stopped = make_training(make_digits_network(), memory_format="channels_last")
    stopped.run_epoch()
    save_checkpoint(tmp_path, stopped)
    continued = make_training(make_digits_network(), memory_format="channels_last")
    resume(tmp_path, continued)
    assert layouts(continued) == layouts(stopped) == [True] * 7


def test_a_trial_of_another_regime() -> None:
    """The analyses run, and measure what they measure without the regime."""
    asked = [Question(Component(name)) for name in ("test", "path_gradient")]
    spec = small_spec(precision="bf16", memory_format="channels_last")
    plain, result = run_trial(small_spec(), asked), run_trial(spec, asked)
    assert result.key == check_trial(spec).key != plain.key, "both have an effect"
    assert not result.analysis_errors
    assert result.test_loss == pytest.approx(plain.test_loss, rel=2e-2)
    norms = [r.analyses["path_gradient"].summary["gradient_norm"] for r in (result, plain)]
    assert norms[0] == pytest.approx(norms[1], rel=0.1)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_trial_s_analyses_round_nothing(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's default lets a GPU's convolutions round to TF32."""
    seen: list[tuple[bool, bool]] = []

    def look(network: object, data: object, *, generator: torch.Generator) -> AnalysisResult:
        seen.append(flags())
        return AnalysisResult(summary={}, table={}, units={})

    row = Analysis(look, examples="test", source="here", during_training=True)
    monkeypatch.setattr("resablate.dissection.ANALYSES", dict(ANALYSES) | {"path_gradient": row})
    asked = Component("path_gradient")
    run_trial(small_spec(precision=precision), [Question(asked, 0), Question(asked)])
    assert seen == [(False, False)] * 2


def test_unknown_names_are_refused() -> None:
    with pytest.raises(
        UnknownName, match=r"unknown precision 'fp32'; did you mean 'tf32'\? \(known: float32, tf32, bf16\)"
    ):
        make_training(precision="fp32")
    with pytest.raises(UnknownName, match="unknown memory_format 'channel_last'; did you mean 'channels_last'"):
        make_training(memory_format="channel_last")
    assert list(MEMORY_FORMATS) == ["contiguous", "channels_last"]


def test_routes_that_change_with_every_batch_are_not_compiled() -> None:
    message = r"^compile: with block_sampling all alone, .* got 'stochastic_depth'$"
    with pytest.raises(SpecError, match=message):
        run_trial(small_spec(compile=True, block_sampling="stochastic_depth"))
