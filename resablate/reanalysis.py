"""Analyses of networks that are trained already: a trial's stored weights, or a network of another package."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from resablate.analyses import ANALYSES
from resablate.datasets import DATASETS, Splits, load_dataset, split_dataset
from resablate.dissection import Dissection, dissect
from resablate.errors import ResablateError, SpecError
from resablate.model import ResidualNetwork, adapt, evaluation_mode, load_pretrained, pretrained_builder
from resablate.registry import keyword_defaults
from resablate.result import TrialResult
from resablate.spec import ParamValue, TrainSpec
from resablate.training import derived_generator, load_weights
from resablate.trial import Trial, analysis_knobs

_OF_TRAINING = {"block_sampling"}
"""What analyses are told of how a network was trained, which nobody can ask to be otherwise."""


def check_analyses(names: Sequence[str], knobs: Mapping[str, Any], *, others: Collection[str] = ()) -> None:
    """See that every name is an analysis and every knob one of theirs.

    Args:
        names: what to run; all analyses where empty.
        knobs: fields of a trial.
        others: fields that may be given although no analysis takes them.

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
    takes |= set(others)
    choices = f"takes {', '.join(sorted(takes))}" if takes else "takes no knob"
    which = " or ".join(chosen) or "any analysis"
    found += [f"{knob}: not a knob of {which}, which {choices}" for knob in knobs if knob not in takes]
    try:
        TrainSpec.parse({knob: value for knob, value in knobs.items() if knob in takes})
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
    changed_spec = result.spec.replace(**given)
    # The network is the trial's, whatever is asked of it now.
    trial = Trial(result.spec, data_root=data_root, device=device)
    load_weights(weights, trial.network)
    chosen = list(names or result.spec.analyses)
    outcome = trial.analyze(chosen, **{knob: getattr(changed_spec, knob) for knob in given})
    kept = {name: why for name, why in result.analysis_errors.items() if name not in chosen}
    merged = {**result.analyses, **outcome.done}
    changed = {name: _changed(name, changed_spec, result.spec) for name in outcome.done}
    repeated = {**result.analysis_knobs, **changed}
    return result.model_copy(
        update={
            "analyses": {name: merged[name] for name in sorted(merged, key=ANALYSES.position)},
            "analysis_errors": {**kept, **outcome.errors},
            "analysis_knobs": {name: values for name, values in repeated.items() if values},
        }
    )


def failed_analyses(result: TrialResult, names: Sequence[str], why: str) -> TrialResult:
    """The trial's result with the reason why analyses could not be repeated; what was measured before stays."""
    errors = dict.fromkeys(names or result.spec.analyses, why)
    return result.model_copy(update={"analysis_errors": {**result.analysis_errors, **errors}})


def analyze_pretrained(
    name: str,
    *,
    weights: Path,
    dataset: str,
    names: Sequence[str] = (),
    knobs: Mapping[str, Any] | None = None,
    data_root: Path | None = None,
    device: torch.device | None = None,
) -> Dissection:
    """Analyses of a network of torchvision or timm.

    Args:
        name: `torchvision:NAME` or `timm:NAME`.
        weights: a safetensors file, or a state dict that torch wrote.
        dataset: a row of DATASETS, of as many classes as the network tells apart.
        names: rows of ANALYSES; those of a trial by default where empty.
        knobs: fields that the analyses take, `seed` and `test_crop`.
        data_root: where data sets are looked for first.
        device: where to compute; the GPU if there is one where None.

    Raises:
        SpecError: if a name or a knob is unknown.
        CheckpointError: if the weights cannot be read or do not fit.
        DatasetError: if the data set is missing or broken.
        ResablateError: if the architecture cannot be taken apart, or the data set's images or classes are not the
            network's.
    """
    given = dict(knobs or {})
    found: list[str] = []
    for look in (
        lambda: check_analyses(names, given, others=("seed", "test_crop")),
        lambda: DATASETS[dataset],
        lambda: pretrained_builder(name),
    ):
        try:
            look()
        except SpecError as error:
            found += error.problems
    if found:
        raise SpecError(found, place="analyze")
    spec = TrainSpec.parse(given)
    place = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = adapt(load_pretrained(name, weights=weights)).to(place)
    splits = split_dataset(
        load_dataset(dataset, data_root),
        val_fraction=spec.val_fraction,
        train_examples=None,
        generator=derived_generator(spec.seed, "split"),
        device=place,
        test_crop=spec.test_crop,
    )
    _check_fit(network, splits, name=name, dataset=dataset)
    return dissect(
        network,
        list(names or spec.analyses),
        train=splits.train,
        test=splits.test,
        seed=spec.seed,
        knobs=analysis_knobs(spec),
    )


def write_dissection(outcome: Dissection, *, folder: Path) -> None:
    """Each analysis as `NAME.csv` and, where it has curves, `NAME.png`; their summaries as `summary.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["analysis,number,value,unit"]
    for name, measured in outcome.done.items():
        measured.frame().to_csv(folder / f"{name}.csv", index=False)
        rows += [f"{name},{number},{value!r},{measured.units[number]}" for number, value in measured.summary.items()]
        if measured.axes:
            measured.plot().savefig(folder / f"{name}.png", dpi=150)
    (folder / "summary.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _check_fit(network: ResidualNetwork, splits: Splits, *, name: str, dataset: str) -> None:
    images, _ = next(splits.test.take(slice(1)).batches(1))
    try:
        with evaluation_mode(network), torch.inference_mode():
            classes = network(images).shape[1]
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise ResablateError(
            f"{name}: cannot take the images of {dataset}, {tuple(images.shape[1:])}: {reason}"
        ) from None
    if classes != splits.num_classes:
        raise ResablateError(
            f"{name} tells {classes} classes apart by these weights, but {dataset} has {splits.num_classes}: a label"
            " would not mean the same class to both"
        )


def _knobs_of(name: str) -> set[str]:
    return set(keyword_defaults(ANALYSES[name].run)) & set(TrainSpec.model_fields) - _OF_TRAINING


def _changed(name: str, spec: TrainSpec, original: TrainSpec) -> dict[str, ParamValue]:
    now, before = spec.params(), original.params()
    return {knob: now[knob] for knob in sorted(_knobs_of(name)) if now[knob] != before[knob]}
