"""Training one network, an epoch at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from resablate.datasets import ExampleSource
from resablate.measurement import EpochMetrics
from resablate.model import ResidualNetwork, Route
from resablate.registry import filter_kwargs, keyword_defaults
from resablate.regularizers import REGULARIZERS, NoRegularizer, Regularizer, find_sites
from resablate.training.arithmetic import MEMORY_FORMATS, PRECISIONS, float32_products, kernels_in
from resablate.augmentations import AUGMENTATIONS
from resablate.training.block_sampling import BLOCK_SAMPLINGS, survival_of
from resablate.training.determinism import derived_generator, derived_seed, global_seed
from resablate.training.evaluation import evaluate
from resablate.optimizers import build_sgd
from resablate.schedules import SCHEDULES


class Training:
    """SGD on one network: call `run_epoch` until `done`.

    Every random choice of an epoch comes from (seed, purpose, epoch), so a training that is stopped between epochs and
    restored continues bit for bit.

    Args:
        network: trained in place, on the device where it lies.
        train: examples to learn from.
        val: examples that `val_error` is measured on after every epoch.
        epochs: passes over `train`.
        batch_size: examples per step; a last batch of one is left out, for batch norm needs two.
        learning_rate: the schedule's highest.
        momentum: of SGD.
        weight_decay: L2 penalty on every parameter.
        schedule: a row of SCHEDULES.
        augmentation: a row of AUGMENTATIONS.
        regularizer: a row of REGULARIZERS.
        sv_strength: the regularizer's strength.
        seed: of the order of examples, augmentation, dropout and the sampling of blocks.
        iterations: stop after so many steps, in the middle of an epoch if need be; after `epochs` where None.
        weight_decay_on: a row of WEIGHT_DECAYS.
        nesterov: whether the momentum looks ahead.
        block_sampling: a row of BLOCK_SAMPLINGS; sets the blocks' `survival`.
        precision: a row of PRECISIONS; of the steps alone, as are the next two.
        memory_format: a row of MEMORY_FORMATS.
        compile: whether the network's forward pass goes through `torch.compile`.
        **knobs: keywords of any schedule, augmentation, sampling or regularizer, and `sv_layers`; those that the
            chosen ones do not take have no effect.

    Attributes:
        epoch: epochs done.
        history: one row for each.
        diverged: whether a loss was not finite; then training has ended.

    Source: He et al. 2016, appendix.
    """

    def __init__(
        self,
        network: ResidualNetwork,
        *,
        train: ExampleSource,
        val: ExampleSource,
        epochs: int,
        batch_size: int,
        learning_rate: float,
        momentum: float,
        weight_decay: float,
        schedule: str,
        augmentation: str,
        regularizer: str,
        sv_strength: float,
        seed: int,
        iterations: int | None = None,
        weight_decay_on: str = "all",
        nesterov: bool = False,
        block_sampling: str = "all",
        precision: str = "float32",
        memory_format: str = "contiguous",
        compile: bool = False,
        **knobs: object,
    ) -> None:
        _refuse_unknown(knobs)
        self.network = network
        self._precision = PRECISIONS[precision]
        self._memory_format = MEMORY_FORMATS[memory_format]
        self._forward = _compiled(network) if compile else network
        self.history: list[EpochMetrics] = []
        self._train = train
        self._val = val
        self._epochs = epochs
        self._batch_size = batch_size
        self._learning_rate = learning_rate
        self._schedule = SCHEDULES[schedule]
        self._augmentation = augmentation
        self._augment = AUGMENTATIONS[augmentation]
        self._seed = seed
        self._regularizer = self._regularize(regularizer, sv_strength, knobs)
        self._schedule_knobs = filter_kwargs(self._schedule, knobs)
        self._augment_knobs = filter_kwargs(self._augment, knobs)
        self._sampling = BLOCK_SAMPLINGS[block_sampling]
        self._survival = survival_of(block_sampling, len(network.chain), **knobs)
        for block, survival in zip(network.chain, self._survival, strict=True):
            block.survival = survival
        self._iterations = iterations
        self.optimizer = build_sgd(
            network,
            learning_rate=learning_rate,
            momentum=momentum,
            weight_decay=weight_decay,
            weight_decay_on=weight_decay_on,
            nesterov=nesterov,
        )

    def _regularize(self, name: str, sv_strength: float, knobs: Mapping[str, object]) -> Regularizer:
        """The regularizer on the convolutions it is for; none where its strength is 0."""
        row = REGULARIZERS[name]
        if row is NoRegularizer or not sv_strength:
            return NoRegularizer([], sv_strength=0)
        images, _ = next(self._batches(torch.zeros(1, dtype=torch.int64, device=self._train.device), epoch=0))
        sites = find_sites(self.network, images, sv_layers=str(knobs.get("sv_layers", "all")))
        return row(sites, sv_strength=sv_strength, **filter_kwargs(row, knobs))

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history)

    @property
    def divergence(self) -> str:
        """Which loss of the last epoch is not finite, or nothing; of its last step only the validation loss tells."""
        for row in self.history[-1:]:
            for name, loss in (("training", row.train_loss), ("validation", row.val_loss)):
                if not math.isfinite(loss):
                    return f"{name} loss {loss} in epoch {row.epoch}"
        return ""

    @property
    def diverged(self) -> bool:
        """Whether a loss of the last epoch was not finite."""
        return bool(self.divergence)

    @property
    def done(self) -> bool:
        """Whether there is no step left to train."""
        return self.diverged or self.epoch * self.steps_per_epoch >= self.total_steps

    @property
    def total_steps(self) -> int:
        """Optimizer steps in the whole run."""
        steps = self._epochs * self.steps_per_epoch
        return steps if self._iterations is None else min(steps, self._iterations)

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch."""
        full, rest = divmod(len(self._train), self._batch_size)
        return max(1, full + (rest > 1))

    def run_epoch(self) -> EpochMetrics:
        """Train one epoch, measure the validation error, and add both to the history."""
        start = time.perf_counter()
        epoch = self.epoch
        device = self._train.device
        order = torch.randperm(len(self._train), generator=derived_generator(self._seed, "order", epoch)).to(device)
        augmenting = derived_generator(self._seed, "augmentation", epoch)
        sampling = derived_generator(self._seed, "block_sampling", epoch)
        projecting = derived_generator(self._seed, "regularizer", epoch)
        loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        wrong = torch.zeros((), dtype=torch.int64, device=device)
        seen, rate = 0, 0.0
        self.network.train()
        with (
            global_seed(derived_seed(self._seed, "dropout", epoch), device),
            float32_products(self._precision),
            kernels_in(self.network, self._memory_format),
        ):
            first = epoch * self.steps_per_epoch
            steps = min(self.steps_per_epoch, self.total_steps - first)
            batches = self._batches(order[: steps * self._batch_size], epoch=epoch)
            for step, (images, labels) in enumerate(batches):
                rate = self._set_rate(first + step)
                routes = self._sampling.draw(self._survival, sampling)
                augmented = self._augment(images, generator=augmenting, **self._augment_knobs)
                loss, logits = self._step(augmented, labels, routes)
                self._regularizer.after_step(projecting)
                loss_sum += loss.double() * len(labels)
                wrong += (logits.argmax(dim=1) != labels).sum()
                seen += len(labels)
        with float32_products():
            held_out = evaluate(self.network, self._val)
        metrics = EpochMetrics(
            epoch=epoch + 1,
            train_loss=float(loss_sum) / seen,
            train_error=float(wrong) / seen,
            val_loss=held_out.loss,
            val_error=held_out.error,
            learning_rate=rate,
            wall_seconds=time.perf_counter() - start,
        )
        self.history.append(metrics)
        return metrics

    def _batches(self, order: Tensor, *, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels of the examples at `order`, as the epoch sees them before whole batches are augmented."""
        seed = derived_seed(self._seed, "view", epoch)
        return self._train.training_batches(order, self._batch_size, augmentation=self._augmentation, seed=seed)

    def _step(self, images: Tensor, labels: Tensor, routes: Sequence[Route]) -> tuple[Tensor, Tensor]:
        """One update; the loss without the penalty, and the logits, both detached."""
        images = images.contiguous(memory_format=self._memory_format.layout)
        with self._precision.autocast(images.device):
            logits = self._forward(images, routes)
        logits = logits.to(images.dtype)
        loss = functional.cross_entropy(logits, labels)
        penalty = self._regularizer.penalty()
        self.optimizer.zero_grad(set_to_none=True)
        (loss if penalty is None else loss + penalty).backward()
        self.optimizer.step()
        return loss.detach(), logits.detach()

    def _set_rate(self, iteration: int) -> float:
        rate = self._schedule(iteration, self.total_steps, learning_rate=self._learning_rate, **self._schedule_knobs)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def tensors(self) -> dict[str, Tensor]:
        """The state of network and optimizer, for a checkpoint."""
        state = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for index, parameter in enumerate(self._parameters()):
            buffer = self.optimizer.state[parameter].get("momentum_buffer")
            if buffer is not None:
                state[f"momentum.{index}"] = buffer
        return state

    def restore(self, tensors: Mapping[str, Tensor], history: list[EpochMetrics]) -> None:
        """Continue from `tensors` and `history` as if training had never stopped.

        Raises:
            RuntimeError: if the tensors do not fit the network.
        """
        prefix = "network."
        self.network.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        # In the layout that steps compute in: where it differs from the parameters' the optimizer takes its slow way.
        with kernels_in(self.network, self._memory_format):
            for index, parameter in enumerate(self._parameters()):
                if (buffer := tensors.get(f"momentum.{index}")) is not None:
                    self.optimizer.state[parameter]["momentum_buffer"] = torch.empty_like(parameter).copy_(buffer)
        self.history = list(history)

    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]


def _compiled(network: ResidualNetwork) -> Callable[[Tensor, Sequence[Route]], Tensor]:
    """The forward pass of `network`, compiled for each size of batch; `network` itself stays as it is."""
    # What was compiled for earlier trials' networks would count towards torch's limit of variants of one function.
    torch.compiler.reset()
    return torch.compile(network, dynamic=False)


def _refuse_unknown(knobs: Iterable[str]) -> None:
    """Raise TypeError for a keyword that no row of any table takes: it would have no effect at all."""
    rows: list[Callable[..., object]] = [
        *SCHEDULES.values(),
        *AUGMENTATIONS.values(),
        *REGULARIZERS.values(),
        *(row.survival for row in BLOCK_SAMPLINGS.values()),
    ]
    known = {"sv_layers", *(name for row in rows for name in keyword_defaults(row))}
    if unknown := sorted(set(knobs) - known):
        raise TypeError(f"no schedule, augmentation, block sampling or regularizer takes {', '.join(unknown)}")
