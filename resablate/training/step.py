"""One step of a training, as one fixed sequence of operations on tensors.

Everything that chance and the schedule decide in an epoch is drawn before its first step and lies on the device; a step
finds its part by counters that lie there too, and adds what it measured to sums that are read when the epoch is over.
So nothing of a step waits for the device or comes from the program: what computes it on the CPU can be captured on a
GPU and replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from resablate.augmentations import Mixed
from resablate.training.arithmetic import MemoryFormat, Precision
from resablate.training.capture import RecordedStep, Recorder
from resablate.training.clipping import Limit
from resablate.training.losses import mixed_loss

Gather = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Places of examples (B,) on their device -> normalized images (B, C, H, W) and labels (B,)."""


@dataclass(frozen=True)
class EpochPlan:
    """What is decided of an epoch before it begins; N examples in S steps."""

    order: Tensor
    """(N,): places of the examples, as they come; the same number in every epoch."""
    draws: tuple[Tensor, ...]
    """(N, ...) each: what chance has decided for each of them."""
    rates: Tensor
    """(S,): learning rate of each step; (S, K) for K networks in one."""
    sizes: tuple[int, ...]
    """Examples of each step; all but the last are equal. Fewer than S steps where the training ends before."""


def plan_epoch(
    order: Tensor, rates: Sequence[float], *, batch_size: int, draw: Callable[[int], tuple[Tensor, ...]]
) -> EpochPlan:
    """The plan of an epoch, whose draws are those of its batches one after the other.

    Args:
        order: (N,), on the CPU.
        rates: of each step that is taken, at least one.
        batch_size: examples of a step; the last may have fewer.
        draw: the number of images of a batch -> what chance decides for each of them.
    """
    batches = order.split(batch_size)
    drawn = [draw(len(batch)) for batch in batches]
    last = [rates[-1]] * (len(batches) - len(rates))
    return EpochPlan(
        order=order,
        draws=tuple(torch.cat(parts) for parts in zip(*drawn, strict=True)),
        rates=torch.tensor([*rates, *last], dtype=torch.float64),
        sizes=tuple(len(batch) for batch in batches[: len(rates)]),
    )


def _no_mixing(images: Tensor, draws: Sequence[Tensor]) -> None:
    """Every image by itself."""


class TrainingStep:
    """One update of a network, or of K networks that run as one.

    Inside of `epoch` each call of `resident` or `streamed` is the next step. The sums are of one number, or
    of K where `members` says so; then `losses` gives K, and `optimizer` takes K rates.

    Args:
        forward: images (B, C, H, W) -> logits (B, classes), or (B, K, classes).
        augment: images (B, C, H, W) and what was drawn for each of them -> images, changed.
        penalty: what is added to the loss, or None where nothing is.
        optimizer: its groups' `lr` is the tensor `rate` in an epoch, and a number outside of it.
        precision: of the forward pass.
        memory_format: of the images.
        device: where everything lies.
        losses: logits and labels -> the mean loss of the batch, or K of them.
        members: K; None for a single network.
        mix: augmented images and what was drawn for each of them -> mixtures; None where none are made.
        limit: acts on the gradients before an update; None where nothing does.
        fill_gradients: whether parameters that had no part in a step are updated by a gradient of 0.
        recorder: records steps on resident examples, if it may; they are taken as they are where None.

    Attributes:
        rate: of the step that is computed, () or (K,).
        loss_sum: over the examples of the epoch so far, in nats; () or (K,), float64.
        wrong: how many of them were classified wrongly; () or (K,), int64.
    """

    def __init__(
        self,
        *,
        forward: Callable[[Tensor], Tensor],
        augment: Callable[[Tensor, Sequence[Tensor]], Tensor],
        penalty: Callable[[], Tensor | None],
        optimizer: torch.optim.Optimizer,
        precision: Precision,
        memory_format: MemoryFormat,
        device: torch.device,
        losses: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy,
        members: int | None = None,
        mix: Callable[[Tensor, Sequence[Tensor]], Mixed | None] = _no_mixing,
        limit: Limit | None = None,
        fill_gradients: bool = False,
        recorder: Recorder | None = None,
    ) -> None:
        self._forward = forward
        self._augment = augment
        self._penalty = penalty
        self._optimizer = optimizer
        self._precision = precision
        self._memory_format = memory_format
        self._losses = losses
        self._mix = mix
        self._limit = limit
        self._fill_gradients = fill_gradients
        shape = () if members is None else (members,)
        # Torch's fused kernels read a rate of 32 bits.
        precise = torch.float32 if device.type == "cuda" else torch.float64
        self.rate = torch.zeros(shape, dtype=precise, device=device)
        self.loss_sum = torch.zeros(shape, dtype=torch.float64, device=device)
        self.wrong = torch.zeros(shape, dtype=torch.int64, device=device)
        self._seen = torch.zeros(1, dtype=torch.int64, device=device)
        self._done = torch.zeros(1, dtype=torch.int64, device=device)
        self._plan: list[Tensor] = []
        self._recorder = recorder
        self._recorded: RecordedStep | None = None
        self._full = 0

    @contextmanager
    def epoch(self, plan: EpochPlan) -> Generator[None]:
        """An epoch: counters and sums at zero, and what is decided of it on the device."""
        self._place(plan)
        for counter in (self._seen, self._done, self.loss_sum, self.wrong):
            counter.zero_()
        self._set_rate(self.rate)
        try:
            yield
        finally:
            last = plan.rates[len(plan.sizes) - 1]
            self._set_rate(last if last.ndim else last.item())

    def _place(self, plan: EpochPlan) -> None:
        """What is decided, where the last epoch's was: a recording reads it there."""
        values = [plan.order, plan.rates.to(self.rate.dtype), *plan.draws]
        if [value.shape for value in values] != [held.shape for held in self._plan]:
            self._plan = [value.to(self._seen.device, copy=True) for value in values]
            self._recorded, self._full = None, plan.sizes[0]
        for held, value in zip(self._plan, values, strict=True):
            held.copy_(value)

    def forget_recording(self) -> None:
        """Record anew, for what steps change has got another place."""
        self._recorded = None

    def _set_rate(self, rate: Tensor | float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = rate

    def resident(self, gather: Gather, size: int) -> None:
        """The next step, on `size` examples that lie on the device; `gather` is the same in every epoch."""
        if self._recorder is None or size < self._full:
            self._gathered(gather, size)
            return
        self._recorded = self._recorded or RecordedStep(partial(self._gathered, gather, size), self._recorder)
        self._recorded()

    def _gathered(self, gather: Gather, size: int) -> None:
        self.streamed(*gather(self._plan[0].index_select(0, self._places(size))))

    def streamed(self, images: Tensor, labels: Tensor) -> None:
        """The next step, on normalized images (B, C, H, W) and labels (B,) that come from elsewhere."""
        _, rates, *draws = self._plan
        places = self._places(len(labels))
        drawn = [values.index_select(0, places) for values in draws]
        images = self._augment(images, drawn)
        mixed = self._mix(images, drawn)
        self.rate.copy_(rates.index_select(0, self._done)[0])
        losses, logits = self._update(images, labels, mixed)
        self.loss_sum += losses.double() * len(labels)
        self.wrong += (logits.argmax(dim=-1) != labels).sum(dim=0)
        self._seen += len(labels)
        self._done += 1

    def _places(self, size: int) -> Tensor:
        """Those of the step's examples in the epoch's order."""
        return self._seen + torch.arange(size, device=self._seen.device)

    def _update(self, images: Tensor, labels: Tensor, mixed: Mixed | None) -> tuple[Tensor, Tensor]:
        """The loss without the penalty, and the logits, both detached."""
        images = mixed.images if mixed else images
        images = images.contiguous(memory_format=self._memory_format.layout)
        with self._precision.autocast(images.device):
            logits = self._forward(images)
        logits = logits.to(images.dtype)
        losses = mixed_loss(self._losses, logits, labels, mixed) if mixed else self._losses(logits, labels)
        total = losses.sum() if losses.ndim else losses
        penalty = self._penalty()
        self._optimizer.zero_grad(set_to_none=True)
        (total if penalty is None else total + penalty).backward()
        self._prepare_gradients()
        self._optimizer.step()
        return losses.detach(), logits.detach()

    def _prepare_gradients(self) -> None:
        if not self._fill_gradients and self._limit is None:
            return
        parameters = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        if self._fill_gradients:
            for parameter in parameters:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
        if self._limit:
            self._limit(parameters)
