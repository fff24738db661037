"""Several questions to one network: what each gave, and why some gave nothing."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from resablate.analyses import ANALYSES, Analysis, TrainedWith, cut_examples
from resablate.datasets import ExampleSource
from resablate.measurement import AnalysisResult, FailedMeasurement, Measurement
from resablate.model import ResidualNetwork
from resablate.question import Question
from resablate.registry import filter_kwargs
from resablate.torch_errors import is_device_lost
from resablate.training import derived_generator, float32_products

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dissection:
    """The answers of one network at one moment."""

    done: list[Measurement] = field(default_factory=list[Measurement])
    failed: list[FailedMeasurement] = field(default_factory=list[FailedMeasurement])
    wall_seconds: float = 0.0


@float32_products()
def dissect(
    network: ResidualNetwork,
    questions: Sequence[Question],
    *,
    train: ExampleSource,
    test: ExampleSource,
    seed: int,
    trained_with: TrainedWith | None = None,
) -> Dissection:
    """Put questions to a network, in plain float32; one that fails does not keep the others from being answered.

    Args:
        network: left as it is.
        questions: their analyses are rows of ANALYSES.
        train: for the analyses that ask for training examples.
        test: for the others.
        seed: with an analysis's name and the epoch, what it draws from.
        trained_with: what analyses may need to know of the training.

    Raises:
        UnknownName: if there is no analysis of a name.
    """
    rows = {question.analysis.name: ANALYSES[question.analysis.name] for question in questions}
    start = time.perf_counter()
    done: list[Measurement] = []
    failed: list[FailedMeasurement] = []
    for question in questions:
        row = rows[question.analysis.name]
        data = train if row.examples == "train" else test
        try:
            result = _answer(network, question, row, data, seed=seed, trained_with=trained_with)
        except Exception as error:  # whatever an analysis raises, the other questions are answered
            if is_device_lost(error):
                raise  # no other question gets an answer from this process
            log.error("analysis %s failed: %s: %s", question, type(error).__name__, error)
            log.debug("where analysis %s failed", question, exc_info=True)
            failed.append(FailedMeasurement(question=question, reason=f"{type(error).__name__}: {error}"))
        else:
            done.append(Measurement(question=question, result=result))
    return Dissection(done, failed, time.perf_counter() - start)


def _answer(
    network: ResidualNetwork,
    question: Question,
    row: Analysis,
    data: ExampleSource,
    *,
    seed: int,
    trained_with: TrainedWith | None,
) -> AnalysisResult:
    arguments = question.analysis.values
    if row.examples == "test":
        data = cut_examples(data, crop=arguments.pop("crop", None))
    purpose = (question.analysis.name,) if question.epoch is None else (question.analysis.name, question.epoch)
    told = filter_kwargs(row.run, {"trained_with": trained_with})
    return row.run(network, data, generator=derived_generator(seed, *purpose), **arguments, **told)
