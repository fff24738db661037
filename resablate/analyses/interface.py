"""What an analysis is: a function from a network and examples to data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Protocol

import torch
from annotated_types import Interval
from torch import Tensor, nn

from resablate.component import Component
from resablate.datasets import ExampleSource
from resablate.errors import AnalysisError, in_a_line
from resablate.measurement import ANY, AnalysisResult, Bounds
from resablate.model import ResidualNetwork, evaluation_mode
from resablate.regularizers import REGULARIZERS, Regularizer
from resablate.torch_errors import is_device_lost, is_out_of_memory

QUARTILES = {"lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75}


@dataclass(frozen=True, kw_only=True)
class TrainedWith:
    """What an analysis may have to know of a network's training.

    Args:
        block_sampling: a row of BLOCK_SAMPLINGS with its arguments.
        regularizer: a row of REGULARIZERS with its arguments.
    """

    block_sampling: Component
    regularizer: Component

    def build_regularizer(self, network: ResidualNetwork, images: Tensor) -> Regularizer:
        """The regularizer on a network, with one or more of the images (B, C, H, W) that it trains on."""
        return REGULARIZERS[self.regularizer.name](network, images, **self.regularizer.values)


class AnalysisFunction(Protocol):
    """A question put to a trained network; its arguments are further keywords with defaults.

    It leaves the network as found (parameters, buffers, modes), also when it fails, and draws from `generator` alone.
    One that has a keyword `trained_with` is told how the network trained, as `TrainedWith`, where that is known.
    """

    def __call__(self, network: ResidualNetwork, data: ExampleSource, *, generator: torch.Generator) -> AnalysisResult:
        """The numbers."""
        ...


def cut_examples(data: ExampleSource, *, crop: Annotated[int | None, Interval(ge=8, le=4096)] = None) -> ExampleSource:
    """The test examples as an analysis sees them: images of any size are cut to squares.

    Args:
        data: the test examples.
        crop: sides in pixels of what an image_folder network is tested on; those it was trained on where null.
    """
    return data.cropped(crop)


@dataclass(frozen=True)
class Analysis:
    """A row of the table.

    Args:
        run: the analysis.
        examples: which examples the paper put to the network; without augmentation.
        source: who asked first.
        during_training: whether it also has a meaning during training.
        bounds: name of a number or column, or a pattern with `*` for several -> the least and the greatest value that
            it can have; the first that fits counts, and any value is possible where none does.
    """

    run: AnalysisFunction
    examples: Literal["train", "test"]
    source: str
    during_training: bool = False
    bounds: Mapping[str, Bounds] = field(default_factory=dict[str, Bounds], hash=False)

    def possible(self, number: str) -> Bounds:
        """The least and the greatest value of a summary number or of a column: intervals of its mean end there."""
        return next((bounds for pattern, bounds in self.bounds.items() if fnmatchcase(number, pattern)), ANY)

    @property
    def functions(self) -> tuple[Callable[..., object], ...]:
        """The functions whose keywords are the row's arguments; `crop` is for `cut_examples`, all others for `run`."""
        return (self.run, cut_examples) if self.examples == "test" else (self.run,)


def at_least_one(**numbers: int | None) -> None:
    """Check that these arguments, by name, are positive; None stands for all there are.

    Raises:
        ValueError: if one is less than 1.
    """
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise ValueError(f"{name} must be at least 1, but got {number}")


def check_dissectable(network: nn.Module, data: ExampleSource) -> None:
    """Check that there is something to dissect, and that the labels are the network's.

    Args:
        network: in whatever mode; one image is put through it, which tells its classes.
        data: what the analysis is about to use.

    Raises:
        AnalysisError: if the network is not one of blocks, has none, or does not take the images, or a label is none of
            its classes.
    """
    if not isinstance(network, ResidualNetwork):
        raise AnalysisError(
            f"a network must be a ResidualNetwork to be dissected, but this one is a {type(network).__name__}:"
            " adapt(network) makes one of what is x + f(x) from end to end"
        )
    if not network.chain:
        raise AnalysisError("a network must have at least one block to be dissected, but this one has none")
    classes = _classes(network, data)
    outside = (data.labels < 0) | (data.labels >= classes)
    if outside.any():
        place = int(outside.int().argmax())
        raise AnalysisError(
            f"labels must be the network's classes, 0 to {classes - 1}, but {int(outside.sum())} of"
            f" {len(data)} are not: example {place} (counted from 0) has label {int(data.labels[place])}"
        )


def _classes(network: ResidualNetwork, data: ExampleSource) -> int:
    """The classes that the network tells apart, by its logits of one image."""
    images, _ = next(data.take(slice(1)).batches(1))
    places = {parameter.device for parameter in network.parameters()}
    if places and images.device not in places:
        raise AnalysisError(
            f"network and examples must lie on one device, but got {', '.join(map(str, places))} and {images.device}:"
            " Examples.to(device) moves the examples"
        )
    try:
        with evaluation_mode(network), torch.inference_mode():
            logits = network(images)
    except Exception as error:  # whatever a network raises for images that it does not take
        if is_device_lost(error) or is_out_of_memory(error):
            raise
        what = f"{tuple(images.shape[1:])} of {images.dtype}"
        raise AnalysisError(f"the network cannot take the images, {what}: {in_a_line(error)}") from error
    if logits.ndim != 2:  # noqa: PLR2004 - examples, classes
        raise AnalysisError(f"the network must give logits (B, classes), but gave {tuple(logits.shape)} for one image")
    return logits.shape[1]
