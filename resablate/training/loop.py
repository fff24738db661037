"""Training one network, an epoch at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext

import torch
from torch import Tensor

from resablate.component import parse_choices, parse_component
from resablate.datasets import Examples, ExampleSource
from resablate.measurement import EpochMetrics
from resablate.model import ComponentLike, ResidualNetwork
from resablate.optimizers import OPTIMIZERS
from resablate.registry import with_arguments
from resablate.regularizers import REGULARIZERS, Regularizer
from resablate.schedules import SCHEDULES
from resablate.training.arithmetic import MEMORY_FORMATS, PRECISIONS, KernelLayout, float32_products
from resablate.training.averaging import AveragedWeights
from resablate.training.batch_norm import batches_counted_at_once
from resablate.training.block_sampling import SampledBlocks
from resablate.training.capture import recorder_of
from resablate.training.changes import BatchChanges
from resablate.training.clipping import limit_of
from resablate.training.determinism import derived_generator, derived_seed, deterministic_kernels, global_seed
from resablate.training.evaluation import Evaluation, evaluate, loss_of_a_batch
from resablate.training.losses import mean_loss
from resablate.training.optimizer_state import optimizer_tensors, restore_optimizer
from resablate.training.regions import compiled_by_block
from resablate.training.step import EpochPlan, TrainingStep, plan_epoch


class Training:
    """One network in training: call `run_epoch` until `done`.

    Every random choice of an epoch comes from (seed, purpose, epoch), so a training that is stopped between epochs and
    restored continues bit for bit, on a GPU too: kernels are deterministic.

    Args:
        network: trained in place, on the device where it lies.
        train: examples to learn from.
        val: examples that `val_error` is measured on after every epoch; None where none are held out.
        epochs: passes over `train`.
        batch_size: examples per step; a last batch of one is left out, for batch norm needs two.
        learning_rate: the schedule's highest.
        optimizer: a row of OPTIMIZERS, by its name or with arguments, as are the next nine.
        schedule: a row of SCHEDULES.
        loss: a row of LOSSES.
        clipping: a row of CLIPPINGS.
        averaging: a row of AVERAGINGS; `network` is the average outside of the steps.
        augmentation: a row of AUGMENTATIONS.
        erasing: a row of ERASINGS.
        mixing: a row of MIXINGS.
        regularizer: a row of REGULARIZERS.
        block_sampling: a row of BLOCK_SAMPLINGS; sets the blocks' `survival`.
        seed: of the order of examples, augmentation, dropout and the sampling of blocks.
        iterations: stop after so many steps, in the middle of an epoch if need be; after `epochs` where None.
        precision: a row of PRECISIONS; of the steps alone, as are the next two.
        memory_format: a row of MEMORY_FORMATS.
        compile: whether the blocks are compiled, once for each kind of them.

    Attributes:
        epoch: epochs done.
        history: one row for each.
        pack_size: networks that trained as one with this one, itself included, at most; interruptions do not reset it.
        choices: field -> its row, of loss, clipping and averaging; what changes images has its own.
        sampled: the blocks that a batch passes.
        diverged: whether a loss was not finite; then training has ended.

    Raises:
        UnknownName: if a name is in no table.
        TypeError: if a row does not take an argument.

    Source: He et al. 2016, appendix.
    """

    def __init__(
        self,
        network: ResidualNetwork,
        *,
        train: ExampleSource,
        val: ExampleSource | None,
        epochs: int,
        batch_size: int,
        learning_rate: float,
        seed: int,
        optimizer: ComponentLike = "sgd",
        schedule: ComponentLike = "steps",
        loss: ComponentLike = "cross_entropy",
        clipping: ComponentLike = "none",
        averaging: ComponentLike = "none",
        augmentation: ComponentLike = "none",
        erasing: ComponentLike = "none",
        mixing: ComponentLike = "none",
        regularizer: ComponentLike = "none",
        block_sampling: ComponentLike = "all",
        iterations: int | None = None,
        precision: ComponentLike = "float32",
        memory_format: ComponentLike = "contiguous",
        compile: bool = False,
    ) -> None:
        self.network = network
        self.history, self.pack_size = list[EpochMetrics](), 1
        self.precision = PRECISIONS[parse_component(precision).name]
        self.memory_format = MEMORY_FORMATS[parse_component(memory_format).name]
        self.train, self.val, self.seed = train, val, seed
        self._epochs, self._iterations, self.compiled = epochs, iterations, compile
        self._batch_size, self._learning_rate = batch_size, learning_rate
        self._schedule = with_arguments(SCHEDULES, schedule)
        self.choices = parse_choices(loss=loss, clipping=clipping, averaging=averaging)
        self.changes = BatchChanges(augmentation, erasing, mixing, examples=train)
        self.sampled = SampledBlocks(network, block_sampling)
        images, _ = next(self._batches(torch.zeros(1, dtype=torch.int64, device=train.device), epoch=0))
        self.regularizer: Regularizer = with_arguments(REGULARIZERS, regularizer)(network, images)
        self.optimizer = with_arguments(OPTIMIZERS, optimizer)(network, learning_rate=learning_rate)
        self._average, self._layout = AveragedWeights(network, averaging), KernelLayout(network, self.memory_format)
        self._step = TrainingStep(
            forward=compiled_by_block(network) if compile else self.sampled.forward,
            augment=self.changes.apply,
            mix=self.changes.mix,
            losses=mean_loss(loss),
            limit=limit_of(clipping),
            fill_gradients=self.sampled.updates_undrawn,
            penalty=self.regularizer.penalty,
            optimizer=self.optimizer,
            precision=self.precision,
            memory_format=self.memory_format,
            device=train.device,
            recorder=recorder_of(
                train.device,
                self.optimizer,
                self.sampled,
                streamed=not isinstance(train, Examples),
                recordable=self.regularizer.recordable,
            ),
        )

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history)

    @property
    def divergence(self) -> str:
        """Which loss of the last epoch is not finite, or nothing; of its last step only the validation loss tells.

        Where no examples are held out, a batch of training examples tells of the last step of all; of others the next
        epoch does.
        """
        for row in self.history[-1:]:
            for name, loss in (("training", row.train_loss), ("validation", row.val_loss)):
                if loss is not None and not math.isfinite(loss):
                    return f"{name} loss {loss} in epoch {row.epoch}"
            if row.val_loss is None and self._steps_left <= 0:
                if not math.isfinite(loss := loss_of_a_batch(self.network, self.train)):
                    return f"loss {loss} of training examples after epoch {row.epoch}"
        return ""

    @property
    def diverged(self) -> bool:
        """Whether a loss of the last epoch was not finite."""
        return bool(self.divergence)

    @property
    def done(self) -> bool:
        """Whether there is no step left to train."""
        return self._steps_left <= 0 or self.diverged

    @property
    def _steps_left(self) -> int:
        return self.total_steps - self.epoch * self.steps_per_epoch

    @property
    def total_steps(self) -> int:
        """Optimizer steps in the whole run."""
        steps = self._epochs * self.steps_per_epoch
        return steps if self._iterations is None else min(steps, self._iterations)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch."""
        full, rest = divmod(len(self.train), self._batch_size)
        return max(1, full + (rest > 1))

    @property
    def next_steps(self) -> int:
        """Optimizer steps in the next epoch; the last one may have fewer than others."""
        return min(self.steps_per_epoch, self._steps_left)

    def run_epoch(self) -> EpochMetrics:
        """Train one epoch, measure the validation error if any examples are held out, and add both to the history."""
        start, plan = time.perf_counter(), self.plan()
        self.run_steps(plan)
        with float32_products(), deterministic_kernels():
            held_out = evaluate(self.network, self.val) if self.val else None
        return self.add_epoch(
            plan, float(self._step.loss_sum), float(self._step.wrong), held_out, seconds=time.perf_counter() - start
        )

    def run_steps(self, plan: EpochPlan) -> None:
        """The steps of the next epoch, as `plan` has decided it."""
        epoch = self.epoch
        self.network.train()
        with (
            global_seed(derived_seed(self.seed, "dropout", epoch), self.train.device),
            float32_products(self.precision),
            deterministic_kernels(),
            self._average.of_steps(),
            self._layout.of_steps(),
            # A block that is left out of a batch has not seen it.
            batches_counted_at_once(self.network, len(plan.sizes)) if self.sampled.fixed else nullcontext(),
            self._step.epoch(plan),
        ):
            self.sampled.generator = derived_generator(self.seed, "block_sampling", epoch)
            projecting = derived_generator(self.seed, "regularizer", epoch)
            for _ in self._steps(plan, epoch=epoch):
                self.regularizer.after_step(projecting)
                self._average.add_step()

    def forget_recording(self) -> None:
        """Record steps anew, for what they change has got another place."""
        self._step.forget_recording()

    def add_epoch(
        self,
        plan: EpochPlan,
        loss_sum: float,
        wrong: float,
        held_out: Evaluation | None,
        *,
        seconds: float,
        pack_size: int = 1,
    ) -> EpochMetrics:
        """Add an epoch to the history: its plan, loss summed over its examples, how many were wrong, and its end."""
        seen = sum(plan.sizes)
        metrics = EpochMetrics(
            epoch=self.epoch + 1,
            train_loss=loss_sum / seen,
            train_error=wrong / seen,
            val_loss=held_out.loss if held_out else None,
            val_error=held_out.error if held_out else None,
            learning_rate=float(plan.rates[len(plan.sizes) - 1]),
            wall_seconds=seconds,
        )
        self.history.append(metrics)
        self.pack_size = max(self.pack_size, pack_size)
        return metrics

    def plan(self) -> EpochPlan:
        """What is decided of the next epoch before it begins."""
        epoch = self.epoch
        first = epoch * self.steps_per_epoch
        order = torch.randperm(len(self.train), generator=derived_generator(self.seed, "order", epoch))
        steps = range(first, first + self.next_steps)
        return plan_epoch(
            order[: self.steps_per_epoch * self._batch_size],
            [self._schedule(step, self.total_steps, learning_rate=self._learning_rate) for step in steps],
            batch_size=self._batch_size,
            draw=self.changes.drawing(self.seed, epoch),
        )

    def _steps(self, plan: EpochPlan, *, epoch: int) -> Iterator[None]:
        """One step after the other."""
        if isinstance(self.train, Examples):
            for size in plan.sizes:
                yield self._step.resident(self.changes.gather, size)
        else:
            taken = plan.order[: sum(plan.sizes)].to(self.train.device)
            for images, labels in self._batches(taken, epoch=epoch):
                yield self._step.streamed(images, labels)

    def _batches(self, order: Tensor, *, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels of the examples at `order`, as the epoch sees them before whole batches are augmented."""
        return self.changes.batches(order, self._batch_size, seed=derived_seed(self.seed, "view", epoch))

    def tensors(self) -> dict[str, Tensor]:
        """The whole state of network and optimizer, for a checkpoint."""
        state = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        return state | optimizer_tensors(self.optimizer) | self._average.tensors()

    def restore(self, tensors: Mapping[str, Tensor], history: list[EpochMetrics], *, pack_size: int = 1) -> None:
        """Continue from `tensors`, `history` and `pack_size` as if training had never stopped.

        Raises:
            RuntimeError: if the tensors do not fit the network or its optimizer.
        """
        prefix = "network."
        self.network.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        # In the layout that steps compute in: where it differs from the parameters' the optimizer takes its slow way.
        self._average.restore(tensors)
        with self._layout.of_steps():
            restore_optimizer(self.optimizer, tensors)
        self._step.forget_recording()
        self.history, self.pack_size = list(history), pack_size
