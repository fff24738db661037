"""Training a pack: several networks of one shape as one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import final

import torch
from torch import Tensor

from resablate.datasets import Examples, ExampleSource
from resablate.measurement import EpochMetrics
from resablate.model import PackedNetwork, evaluation_mode
from resablate.training.arithmetic import float32_products
from resablate.training.capture import CudaRecorder
from resablate.training.changes import apply_to_each
from resablate.training.determinism import derived_generator, derived_seed, deterministic_kernels
from resablate.training.evaluation import EVALUATION_BATCH, Evaluation, Scores
from resablate.training.loop import Training
from resablate.training.losses import mean_losses
from resablate.training.packed_optimizer import PackedOptimizer
from resablate.training.step import EpochPlan, TrainingStep
from resablate.training.why_alone import why_alone


@final
class Pack:
    """Trainings of one shape that run as one network of K times the channels: call `run_epoch` while none is done.

    Each remains a training of its own, with its seed, generators, rate, optimizer, regularizer, state and history, and
    may be stored, or go on alone or in another pack, after any epoch. A member computes what it computes alone, but
    for the order in which numbers are summed; in a pack of the same size it computes the same bits, whoever the others
    are.

    Args:
        trainings: at least two, which differ in what is PER_MEMBER alone; they may have done different numbers of
            epochs, but their next ones must have equally many steps. Their examples lie in memory.

    Raises:
        ValueError: if the networks have not one shape or cannot be packed, examples do not lie in memory, or members
            have choices that no pack carries out or that must be those of all; it names every one.
    """

    def __init__(self, trainings: Sequence[Training]) -> None:
        if refused := _out_of_packs(trainings) or _not_shared(trainings):
            raise ValueError("; ".join(refused))
        self.trainings = tuple(trainings)
        self.network = PackedNetwork([training.network for training in trainings])
        self.optimizer = PackedOptimizer(
            self.network,
            [training.optimizer for training in trainings],
            penalized=[site.layer.weight for training in trainings for site in training.regularizer.sites],
        )
        first = trainings[0]
        self._step = TrainingStep(
            forward=self.network,
            augment=partial(apply_to_each, [training.changes for training in trainings]),
            penalty=self._penalty,
            optimizer=self.optimizer,
            precision=first.precision,
            memory_format=first.memory_format,
            device=first.train.device,
            losses=mean_losses(first.choices["loss"]),
            members=len(trainings),
            recorder=self._recorder(),
        )
        for training in trainings:  # whose parameters lie elsewhere from now on
            training.forget_recording()

    def run_epoch(self) -> list[EpochMetrics]:
        """Train every member for one epoch, measure its validation error, and add both to its history.

        The time of the epoch is divided among the members.
        """
        start = time.perf_counter()
        plans = [training.plan() for training in self.trainings]
        self.run_steps(plans)
        self.optimizer.store()
        with float32_products(), deterministic_kernels():
            held_out = _evaluate(self.network, [training.val for training in self.trainings])
        losses, wrong = self._step.loss_sum.tolist(), self._step.wrong.tolist()
        share = (time.perf_counter() - start) / len(plans)
        members = zip(self.trainings, plans, losses, wrong, held_out, strict=True)
        return [
            training.add_epoch(plan, loss, errors, own, seconds=share, pack_size=len(plans))
            for training, plan, loss, errors, own in members
        ]

    def run_steps(self, plans: Sequence[EpochPlan]) -> None:
        """The steps of each member's next epoch, as its plan has decided it."""
        trainings, plan = self.trainings, _joined(plans)
        seeds = [derived_seed(training.seed, "dropout", training.epoch) for training in trainings]
        self.network.draws.start(seeds, trainings[0].train.device)
        projecting = [derived_generator(training.seed, "regularizer", training.epoch) for training in trainings]
        differ = bool((plan.rates != plan.rates[:, :1]).any())
        if differ != self.optimizer.rates_differ:
            self.optimizer.rates_differ = differ  # and so other operations are recorded
            self._step.forget_recording()
        self.network.train()
        with float32_products(trainings[0].precision), deterministic_kernels(), self._step.epoch(plan):
            for size in plan.sizes:
                self._step.resident(self._gather, size)
                for training, generator in zip(trainings, projecting, strict=True):
                    training.regularizer.after_step(generator)
        self.network.count_batches(len(plan.sizes))

    def _recorder(self) -> CudaRecorder | None:
        """What records the steps: on a GPU, if they are such as can be recorded."""
        device = self.trainings[0].train.device
        fixed = not self.network.draws_in_steps and all(t.regularizer.recordable for t in self.trainings)
        return CudaRecorder(device) if device.type == "cuda" and fixed else None

    def _gather(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, K*C, H, W) and labels (B, K) of each member's examples at its column of `chosen` (B, K)."""
        found = [
            training.changes.gather(places) for training, places in zip(self.trainings, chosen.unbind(1), strict=True)
        ]
        return torch.cat([images for images, _ in found], dim=1), torch.stack([labels for _, labels in found], dim=1)

    def _penalty(self) -> Tensor | None:
        penalties = [training.regularizer.penalty() for training in self.trainings]
        known = [penalty for penalty in penalties if penalty is not None]
        return torch.stack(known).sum() if known else None


def _out_of_packs(trainings: Sequence[Training]) -> list[str]:
    """What of each member no pack carries out."""
    found: dict[str, None] = {}
    for training in trainings:
        choices = {**training.choices, **training.changes.choices, "block_sampling": training.sampled.choice}
        found |= dict.fromkeys(why_alone(choices, every_block=training.sampled.fixed, compile=training.compiled))
        if not training.regularizer.packs:
            found["regularizer: does not say that it packs"] = None
    if not all(isinstance(training.train, Examples) for training in trainings):
        found["the examples of a pack must lie in memory"] = None
    return list(found)


def _not_shared(trainings: Sequence[Training]) -> list[str]:
    """What differs between members and must not: the pack does all of them as it does the first."""
    choices: list[dict[str, object]] = [
        {
            **training.changes.choices,
            **training.choices,
            "precision": training.precision,
            "memory_format": training.memory_format,
        }
        for training in trainings
    ]
    return [
        f"{name}: must be one for all members of a pack"
        for name, first in choices[0].items()
        if any(other[name] != first for other in choices)
    ]


@final
class Packs:
    """Trainings of one shape, an epoch at a time, as packs of all those whose epochs have equally many steps.

    They differ where `iterations` ends a training in the middle of an epoch, and members are at different epochs.
    """

    def __init__(self) -> None:
        self._packs: dict[tuple[int, ...], Pack] = {}

    def run_epoch(self, trainings: Sequence[Training]) -> None:
        """One epoch of each; one that has no other beside it trains as if there were no packs."""
        groups: dict[int, list[Training]] = {}
        for training in trainings:
            groups.setdefault(training.next_steps, []).append(training)
        used: dict[tuple[int, ...], Pack] = {}
        for group in groups.values():
            if len(group) == 1:
                group[0].run_epoch()
                continue
            members = tuple(id(training) for training in group)
            used[members] = self._packs.get(members) or Pack(group)
            used[members].run_epoch()
        # A pack that was not used has members that trained elsewhere since, and knows nothing of it.
        self._packs = used


def _joined(plans: Sequence[EpochPlan]) -> EpochPlan:
    """The plans of all members as one, with the member as the second axis of its tensors."""
    sizes = {plan.sizes for plan in plans}
    if len(sizes) > 1:
        raise ValueError(f"the members of a pack must have steps of equal sizes in an epoch, got {sorted(sizes)}")
    return EpochPlan(
        order=torch.stack([plan.order for plan in plans], dim=1),
        draws=tuple(torch.stack(drawn, dim=1) for drawn in zip(*(plan.draws for plan in plans), strict=True)),
        rates=torch.stack([plan.rates for plan in plans], dim=1),
        sizes=plans[0].sizes,
    )


def _evaluate(network: PackedNetwork, sources: Sequence[ExampleSource | None]) -> list[Evaluation | None]:
    """Error and loss of each member on its own examples, equally many, in eval mode; None where there are none."""
    known = [source for source in sources if source]
    if not known:
        return [None] * len(sources)
    scores = [Scores() for _ in known]
    with evaluation_mode(network), torch.inference_mode():
        for batches in zip(*(source.batches(EVALUATION_BATCH) for source in known), strict=True):
            logits = network(torch.cat([images for images, _ in batches], dim=1))
            for score, own, (_, labels) in zip(scores, logits.unbind(1), batches, strict=True):
                score.add(own, labels)
    return [score.mean() for score in scores]
