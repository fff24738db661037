"""A step recorded once and replayed: on a GPU a CUDA graph, whose thousand kernels cost the program one call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Protocol, final

import torch

from resablate.training.block_sampling import SampledBlocks

log = logging.getLogger(__name__)

_WARM_UP = 3
"""Steps before the recording: what is allocated or chosen at first use must not be in it. As in torch's own example."""


class Recorder(Protocol):
    """What records steps."""

    def warm_up(self, step: Callable[[], None]) -> None:
        """Take a step as it will be recorded."""
        ...

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        """What takes the same step whenever it is called; nothing is computed before that.

        Raises:
            RuntimeError: if the step cannot be recorded.
        """
        ...


@final
class CudaRecorder:
    """Records CUDA graphs.

    Args:
        device: a GPU.

    Source: "CUDA Graphs: whole-network capture" in the notes on CUDA of torch's documentation.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._side = torch.cuda.Stream(device)

    def warm_up(self, step: Callable[[], None]) -> None:
        """Take a step on the stream that is recorded."""
        main = torch.cuda.current_stream(self._device)
        self._side.wait_stream(main)
        with torch.cuda.stream(self._side):
            step()
        main.wait_stream(self._side)

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        """The replay of a graph of the step."""
        main = torch.cuda.current_stream(self._device)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._side):
                step()
        finally:
            # Where the capture fails, torch leaves the stream that it captured as the current one.
            torch.cuda.set_stream(main)
        return graph.replay


@final
class RecordedStep:
    """Takes one step, again and again: as it is at first, and then by a recording.

    Where the step cannot be recorded it is taken as it is, and each reason is said once in a process. The numbers are
    the same.

    Args:
        step: takes the step; all its inputs, and all that it changes, lie at fixed places on the device.
        recorder: records it.
    """

    def __init__(self, step: Callable[[], None], recorder: Recorder) -> None:
        self._step = step
        self._recorder = recorder
        self._warm_up = _WARM_UP
        self._replay: Callable[[], None] | None = None

    def __call__(self) -> None:
        """Take the step."""
        if self._warm_up:
            self._warm_up -= 1
            self._recorder.warm_up(self._step)
            return
        if self._replay is None:
            self._replay = self._record()
        self._replay()

    def _record(self) -> Callable[[], None]:
        try:
            return self._recorder.record(self._step)
        except RuntimeError as error:
            _say_once(str(error).strip().partition("\n")[0])
            return self._step


@cache
def _say_once(reason: str) -> None:
    """Every training of a sweep meets the same reason."""
    log.warning("steps run kernel by kernel, for a CUDA graph could not be captured: %s", reason)


def why_not_recorded(*, streamed: bool, every_block: bool, recordable: bool) -> str:
    """Why the steps of a training run kernel by kernel on a GPU; empty where they are captured.

    Args:
        streamed: whether images are decoded while it trains.
        every_block: whether every batch passes all blocks.
        recordable: whether its regularizer is.
    """
    if streamed:
        return "images are decoded while it trains"
    if not every_block:
        return "other blocks are drawn for every batch"
    if not recordable:
        return "its regularizer computes what waits for the GPU"
    return ""


def keep_on_device(optimizer: torch.optim.Optimizer, *, every_gradient: bool) -> None:
    """Have `optimizer` read its rate, and count its steps, on the GPU, as a recorded step must.

    Torch's optimizers take a rate that is a tensor without waiting for it where they are `fused` or `capturable`.

    Args:
        optimizer: before its first step.
        every_gradient: whether each step gives a gradient to all parameters that are ever updated; else no step is
            fused, which cannot do with momentum that some of them do not have yet.
    """
    for group in optimizer.param_groups:
        for choice in ("capturable", "fused") if every_gradient else ("capturable",):
            if choice in group:
                group[choice] = True


def recorder_of(
    device: torch.device, optimizer: torch.optim.Optimizer, blocks: SampledBlocks, *, streamed: bool, recordable: bool
) -> CudaRecorder | None:
    """What records the steps of a training: on a GPU, if they are such as can be recorded.

    Args:
        device: of the training.
        optimizer: made to keep its numbers on a GPU.
        blocks: of the network.
        streamed: as `why_not_recorded` takes it.
        recordable: whether its regularizer is.
    """
    if device.type != "cuda":
        return None
    keep_on_device(optimizer, every_gradient=blocks.fixed or blocks.updates_undrawn)
    why_not = why_not_recorded(streamed=streamed, every_block=blocks.fixed, recordable=recordable)
    return None if why_not else CudaRecorder(device)
