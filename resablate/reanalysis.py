"""Analyses run again on a trained trial's stored weights, without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from resablate.analyses import ANALYSES
from resablate.errors import ResablateError, SpecError
from resablate.registry import arguments
from resablate.result import TrialResult
from resablate.spec import ParamValue, TrialSpec
from resablate.training import load_weights
from resablate.trial import Trial


def check_analyses(names: Sequence[str], knobs: Mapping[str, Any]) -> None:
    """See that every name is an analysis and every knob one of theirs.

    Args:
        names: what to run; all analyses where empty.
        knobs: fields of a trial.

    Raises:
        SpecError: with everything that is wrong.
    """
    found: list[str] = []
    chosen = list(dict.fromkeys(names))
    for name in chosen:
        try:
            ANALYSES[name]
        except SpecError as error:
            found += error.problems
    takes = {knob for name in chosen or ANALYSES if name in ANALYSES for knob in _knobs_of(name)}
    choices = f"takes {', '.join(sorted(takes))}" if takes else "takes no knob"
    which = " or ".join(chosen) or "any analysis"
    found += [f"{knob}: not a knob of {which}, which {choices}" for knob in knobs if knob not in takes]
    try:
        TrialSpec.parse({knob: value for knob, value in knobs.items() if knob in takes})
    except SpecError as error:
        found += error.problems
    if found:
        raise SpecError(found, place="analyze")


def repeat_analyses(
    result: TrialResult,
    weights: Path,
    *,
    names: Sequence[str] = (),
    knobs: Mapping[str, Any] | None = None,
    data_root: Path | None = None,
    device: torch.device | None = None,
) -> TrialResult:
    """The trial's result with some analyses measured anew from its stored weights.

    With the knobs of the trial the numbers are those that the trial itself measured. An analysis that fails now keeps
    what it measured before, if anything, and is named in `analysis_errors`.

    Args:
        result: of a finished trial.
        weights: the safetensors file that the trial stored.
        names: rows of ANALYSES; those of the trial where empty.
        knobs: fields that the analyses take, instead of the trial's.
        data_root: where data sets are looked for first.
        device: where to compute; the GPU if there is one where None.

    Raises:
        SpecError: if a name or a knob is unknown.
        ResablateError: if the trial did not finish.
        CheckpointError: if the weights cannot be read or do not fit.
        DatasetError: if the data set is missing or broken.
    """
    given = dict(knobs or {})
    check_analyses(names, given)
    if result.status != "finished":
        raise ResablateError(f"trial {result.key} is {result.status}: only the network of a finished trial is analyzed")
    spec = result.spec.replace(**given)
    trial = Trial(spec, data_root=data_root, device=device)
    load_weights(weights, trial.network)
    chosen = list(names or result.spec.analyses)
    outcome = trial.analyze(chosen)
    kept = {name: why for name, why in result.analysis_errors.items() if name not in chosen}
    merged = {**result.analyses, **outcome.done}
    changed = {name: _changed(name, spec, result.spec) for name in outcome.done}
    repeated = {**result.analysis_knobs, **changed}
    return result.model_copy(
        update={
            "analyses": {name: merged[name] for name in sorted(merged, key=ANALYSES.position)},
            "analysis_errors": {**kept, **outcome.errors},
            "analysis_knobs": {name: values for name, values in repeated.items() if values},
        }
    )


def _knobs_of(name: str) -> set[str]:
    return set(arguments(ANALYSES[name].run)) & set(TrialSpec.model_fields)


def _changed(name: str, spec: TrialSpec, original: TrialSpec) -> dict[str, ParamValue]:
    now, before = spec.params(), original.params()
    return {knob: now[knob] for knob in sorted(_knobs_of(name)) if now[knob] != before[knob]}
