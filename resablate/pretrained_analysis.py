"""Questions to networks of other packages, with weights from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from resablate.adapters import adapt, load_pretrained, pretrained_builder
from resablate.adapters.weights import why_no_file
from resablate.answerable import check_asked
from resablate.component import Component
from resablate.component_tables import resolve_in
from resablate.datasets import DATASETS, Splits, load_dataset, split_dataset
from resablate.devices import choose_device
from resablate.dissection import Dissection, dissect
from resablate.errors import ResablateError, SpecError, in_a_line
from resablate.model import ResidualNetwork, evaluation_mode
from resablate.pretrained_files import PretrainedNetwork
from resablate.question import AskedAnalysis, Question
from resablate.storage.files import file_digest
from resablate.training import derived_generator


class PretrainedAnswers(NamedTuple):
    """What a network of another package answered."""

    network: PretrainedNetwork
    outcome: Dissection


def analyze_pretrained(
    name: str,
    *,
    weights: Path,
    dataset: Component,
    asked: Sequence[AskedAnalysis],
    seed: int = 0,
    data_root: Path | None = None,
    device: torch.device | None = None,
) -> PretrainedAnswers:
    """Answers of a network of another package.

    Args:
        name: an adapter and a model, such as `torchvision:resnet50` or `akamaster:resnet20`.
        weights: a safetensors file, a state dict that torch wrote, or a checkpoint with one in it.
        dataset: a row of DATASETS, of as many classes as the network tells apart.
        asked: analyses with their arguments.
        seed: what they draw from.
        data_root: where data sets are looked for first.
        device: where to compute; the GPU if there is one where None.

    Raises:
        SpecError: as `check_request` does.
        CheckpointError: if the weights cannot be read or do not fit.
        DatasetError: if the data set is missing or broken.
        ResablateError: if the architecture cannot be taken apart, or the data set's images or classes are not the
            network's.
    """
    questions, dataset = check_request(name, weights=weights, dataset=dataset, asked=asked, seed=seed)
    place = device or choose_device()
    network = adapt(load_pretrained(name, weights=weights)).to(place)
    loaded = load_dataset(dataset, data_root)
    splits = split_dataset(dataset, loaded, generator=derived_generator(seed, "split"), device=place)
    _check_fit(network, splits, name=name, dataset=dataset.name)
    asked_of = PretrainedNetwork(name, weights.name, file_digest(weights), str(dataset), loaded.fingerprint(), seed)
    return PretrainedAnswers(asked_of, dissect(network, questions, train=splits.train, test=splits.test, seed=seed))


def check_request(
    name: str, *, weights: Path, dataset: Component, asked: Sequence[AskedAnalysis], seed: int
) -> tuple[list[Question], Component]:
    """The questions and the data set with every argument filled in; arguments as those of `analyze_pretrained`.

    Raises:
        SpecError: with every unknown name and argument, weights that are no file, and a seed that is none.
    """
    found: list[str] = []
    checked: Sequence[AskedAnalysis] = ()
    try:
        checked = check_asked(asked, place="analyze")
    except SpecError as error:
        found += error.problems
    found += [
        f"analyze: {analysis.analysis.name}.epochs: a network of another package has no epochs here"
        for analysis in checked
        if analysis.epochs
    ]
    data = resolve_in(dataset, DATASETS)
    found += data.problems
    try:
        pretrained_builder(name)
    except SpecError as error:
        found += error.problems
    if why := why_no_file(weights):
        found.append(f"{weights}: {why}")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:  # pyright: ignore[reportUnnecessaryIsInstance]
        found.append(f"seed: must be a whole number of at least 0, got {seed!r}")
    if found:
        raise SpecError(found, place="analyze")
    return [Question(analysis.analysis) for analysis in checked], data.component


def _check_fit(network: ResidualNetwork, splits: Splits, *, name: str, dataset: str) -> None:
    images, _ = next(splits.test.take(slice(1)).batches(1))
    try:
        with evaluation_mode(network), torch.inference_mode():
            classes = network(images).shape[1]
    except Exception as error:  # whatever a network raises for images that it does not take
        what = f"the images of {dataset}, {tuple(images.shape[1:])}"
        raise ResablateError(f"{name}: cannot take {what}: {in_a_line(error)}") from None
    known = splits.num_classes or DATASETS[dataset].num_classes
    if classes != known:
        raise ResablateError(
            f"{name} tells {classes} classes apart by these weights, but {dataset} has {known}: a label would not mean"
            " the same class to both"
        )
