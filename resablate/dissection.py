"""Several analyses of one network: what each measured, and why some measured nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from resablate.analyses import ANALYSES
from resablate.datasets import ExampleSource
from resablate.measurement import AnalysisResult
from resablate.model import ResidualNetwork
from resablate.registry import filter_kwargs
from resablate.training import derived_generator, float32_products

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Dissection:
    """The outcome of some analyses of one network at one moment."""

    __pydantic_config__: ClassVar[Mapping[str, str]] = {"ser_json_inf_nan": "strings"}

    done: dict[str, AnalysisResult] = field(default_factory=dict[str, AnalysisResult])
    """Name -> what it measured."""
    errors: dict[str, str] = field(default_factory=dict[str, str])
    """Name -> why it measured nothing."""


@float32_products()
def dissect(
    network: ResidualNetwork,
    names: Sequence[str],
    *,
    train: ExampleSource,
    test: ExampleSource,
    seed: int,
    epoch: int | None = None,
    knobs: Mapping[str, object] | None = None,
) -> Dissection:
    """Run analyses in plain float32; one that fails does not keep the others from running.

    Args:
        network: left as it is.
        names: rows of ANALYSES.
        train: for the analyses that ask for training examples.
        test: for the others.
        seed: with an analysis's name, what it draws from.
        epoch: drawn from as well, where there is one.
        knobs: keywords of any analysis; each gets those that it takes.

    Raises:
        UnknownName: if there is no analysis of that name.
    """
    rows = {name: ANALYSES[name] for name in names}
    outcome = Dissection()
    for name, row in rows.items():
        run = partial(row.run, **filter_kwargs(row.run, knobs or {}))
        purpose = (name,) if epoch is None else (name, epoch)
        try:
            outcome.done[name] = run(
                network, train if row.examples == "train" else test, generator=derived_generator(seed, *purpose)
            )
        except Exception as error:
            log.exception("analysis %s failed", name)
            outcome.errors[name] = f"{type(error).__name__}: {error}"
    return outcome
