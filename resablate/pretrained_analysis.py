"""Questions to networks of other packages, with weights from a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

from resablate.adapters import adapt, load_pretrained, pretrained_builder
from resablate.answerable import check_asked
from resablate.component import Component
from resablate.csv_files import Cell, write_csv
from resablate.datasets import DATASETS, Splits, load_dataset, split_dataset
from resablate.devices import choose_device
from resablate.dissection import Dissection, dissect
from resablate.errors import ResablateError, SpecError
from resablate.model import ResidualNetwork, evaluation_mode
from resablate.question import AskedAnalysis, Question
from resablate.training import derived_generator


def analyze_pretrained(
    name: str,
    *,
    weights: Path,
    dataset: Component,
    asked: Sequence[AskedAnalysis],
    seed: int = 0,
    data_root: Path | None = None,
    device: torch.device | None = None,
) -> Dissection:
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
        SpecError: if a name or an argument is unknown.
        CheckpointError: if the weights cannot be read or do not fit.
        DatasetError: if the data set is missing or broken.
        ResablateError: if the architecture cannot be taken apart, or the data set's images or classes are not the
            network's.
    """
    found: list[str] = []
    questions: list[Question] = []
    try:
        checked = check_asked(asked, place="analyze")
        questions = [Question(analysis.analysis) for analysis in checked]
        found += [
            f"analyze: {analysis.analysis.name}.epochs: a network of another package has no epochs here"
            for analysis in checked
            if analysis.epochs
        ]
    except SpecError as error:
        found += error.problems
    found += _problems_of([lambda: DATASETS[dataset.name], lambda: pretrained_builder(name)])
    if found:
        raise SpecError(found, place="analyze")
    place = device or choose_device()
    network = adapt(load_pretrained(name, weights=weights)).to(place)
    loaded = load_dataset(dataset, data_root)
    splits = split_dataset(dataset, loaded, generator=derived_generator(seed, "split"), device=place)
    _check_fit(network, splits, name=name, dataset=dataset.name)
    return dissect(network, questions, train=splits.train, test=splits.test, seed=seed)


def write_dissection(outcome: Dissection, *, folder: Path) -> None:
    """Each answer as `NAME.csv` and, where it has curves, `NAME.png`; their summaries as `summary.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[Cell, ...]] = []
    for measurement in outcome.done:
        name, measured = measurement.question.name, measurement.result
        file = name.replace(" ", "_")
        if measured.table:
            write_csv(folder / f"{file}.csv", measured.table, zip(*measured.table.values(), strict=True))
        rows += [(name, number, value, measured.units[number]) for number, value in measured.summary.items()]
        if measured.axes:
            measured.plot().savefig(folder / f"{file}.png", dpi=150)
    write_csv(folder / "summary.csv", ["analysis", "number", "value", "unit"], rows)


def _problems_of(looks: Iterable[Callable[[], object]]) -> list[str]:
    found: list[str] = []
    for look in looks:
        try:
            look()
        except SpecError as error:
            found += error.problems
    return found


def _check_fit(network: ResidualNetwork, splits: Splits, *, name: str, dataset: str) -> None:
    images, _ = next(splits.test.take(slice(1)).batches(1))
    try:
        with evaluation_mode(network), torch.inference_mode():
            classes = network(images).shape[1]
    except Exception as error:  # whatever a network raises for images that it does not take
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ResablateError(
            f"{name}: cannot take the images of {dataset}, {tuple(images.shape[1:])}: {reason}"
        ) from None
    known = splits.num_classes or DATASETS[dataset].num_classes
    if classes != known:
        raise ResablateError(
            f"{name} tells {classes} classes apart by these weights, but {dataset} has {known}: a label would not mean"
            " the same class to both"
        )
