"""`TrainSpec`: everything that makes a network's weights what they are, in one frozen record."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from resablate.component import PER_MEMBER, Component, Scalar, content_hash, parse_component
from resablate.errors import SpecError
from resablate.problems import problems

KEY_LENGTH = 16
"""Hexadecimal digits of a key: 64 bits, so 10,000 keys collide with a chance of 3e-12."""
TRIAL_NAME = re.compile(rf"[0-9a-f]{{{KEY_LENGTH}}}|[0-9a-f]{{32}}")
"""How a trial is named: by its key, or by the id of its run."""
DATA_MARK = "data:"
"""Before the fingerprint of the data in the identity of a trial's data set."""


class TrainSpec(BaseModel):
    """What is trained.

    A knob has one name everywhere: here, in the sweep file, in the keyword that receives it, as MLflow param and as
    column of the report. A component is a row of an open table with its own arguments, `shortcut.bias`. What is asked
    of the trained network is no part of it. A default is never changed once released, because `key` leaves defaults
    out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    # network
    network: Component = Component("resnet")
    """A row of `resablate list networks`."""
    shortcut: Component = Component("identity")
    """How x passes the branch: a row of `resablate list shortcuts`."""
    ordering: Component = Component("original")
    """Order of convolution, batch norm and ReLU: a row of `resablate list orderings`."""
    depth: int = Field(default=20, ge=1, le=10_000)
    """Weighted layers, as in the papers' names: 6n+2 for basic blocks, 9n+2 for bottlenecks, 3n+2 for single ones."""
    width: int = Field(default=16, ge=1, le=16_384)
    """Channels inside the first stage's blocks; each later stage has twice as many."""

    norm: Component = Component("batch")
    """What stands wherever an ordering has batch norm: a row of `resablate list norms`."""
    initialization: Component = Component("he_fan_out")
    """The weights before the first step: a row of `resablate list initializations`."""

    # data
    dataset: Component = Component("digits")
    """A row of `resablate list datasets`, with the share that is held out."""
    augmentation: Component = Component("none")
    """A row of `resablate list augmentations`."""
    erasing: Component = Component("none")
    """What is erased from augmented images: a row of `resablate list erasings`."""
    mixing: Component = Component("none")
    """How the images of a batch are mixed: a row of `resablate list mixings`."""

    # training
    epochs: int = Field(default=12, ge=1, le=1_000_000)
    """Passes over the training examples."""
    iterations: int | None = Field(default=None, ge=1)
    """Stop after so many steps, if `epochs` have more; He et al.: 64,000."""
    batch_size: int = Field(default=128, ge=2, le=1_000_000)
    """Examples per step."""
    learning_rate: Annotated[float, PER_MEMBER] = Field(default=0.1, gt=0)
    """The schedule's highest rate."""
    optimizer: Component = Component("sgd")
    """A row of `resablate list optimizers`."""
    schedule: Component = Component("steps")
    """The learning rate by iteration: a row of `resablate list schedules`."""
    loss: Component = Component("cross_entropy")
    """What is minimized: a row of `resablate list losses`."""
    clipping: Component = Component("none")
    """What limits the gradient: a row of `resablate list clippings`."""
    averaging: Component = Component("none")
    """Whose weights count, the last step's or an average over steps: a row of `resablate list averagings`."""
    precision: Component = Component("float32")
    """Arithmetic of convolutions and products: a row of `resablate list precisions`."""
    memory_format: Component = Component("contiguous")
    """Order of a tensor's axes in memory: a row of `resablate list memory_formats`."""
    compile: bool = False
    """Whether training runs through `torch.compile`."""
    block_sampling: Component = Component("all")
    """Which blocks a batch trains: a row of `resablate list block_samplings`."""
    regularizer: Component = Component("none")
    """What acts on the convolutions' singular values: a row of `resablate list regularizers`."""

    # replicate
    seed: Annotated[int, PER_MEMBER] = Field(default=0, ge=0, le=2**63 - 1)
    """Fixes the split, the initial weights, the order of the examples, augmentation and sampling."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_as_number(cls, value: Any, field: ValidationInfo) -> Any:
        annotation = cls.model_fields[str(field.field_name)].annotation
        if isinstance(value, bool) and annotation is not bool and annotation is not Component:
            raise ValueError(f"must not be true or false, got {value!r}")
        return value

    @classmethod
    def parse(cls, fields: Mapping[str, Any], *, place: str = "") -> TrainSpec:
        """A spec from plain values; `shortcut.bias` sets one argument of a component.

        Raises:
            SpecError: with one line for each field that is unknown or out of its range.
        """
        try:
            return cls.model_validate(merge({}, fields))
        except ValidationError as error:
            raise SpecError(problems(error, known=cls.model_fields), place=place) from None

    def replace(self, **fields: Any) -> TrainSpec:
        """A copy with other values in some fields, validated like a new one."""
        return TrainSpec.parse({**dict(self), **fields})

    def changes(self) -> dict[str, Any]:
        """The fields that differ from their defaults, as JSON values: what the key is made of."""
        default = _default()
        return {
            name: value.brief() if isinstance(value, Component) else value
            for name, value in dict(self).items()
            if value != getattr(default, name)
        }

    @property
    def key(self) -> str:
        """The training's content key: equal for equal trainings, whoever asks and wherever."""
        return content_hash(self.changes(), KEY_LENGTH)

    @property
    def cell(self) -> str:
        """The key of all trainings that differ from this one in their seed alone: its replicates."""
        changes = {name: value for name, value in self.changes().items() if name != "seed"}
        return content_hash(changes, KEY_LENGTH)

    @property
    def fingerprint(self) -> str:
        """That of the content of its data; empty where nobody has looked at them yet."""
        return self.dataset.identity.partition(DATA_MARK)[2]

    @property
    def written_dataset(self) -> Component:
        """Its data set as a sweep writes it, without what is known of the data."""
        return self.with_fingerprint("").dataset

    def with_fingerprint(self, fingerprint: str) -> TrainSpec:
        """The same training of data with this content; with an empty one, of data that nobody has looked at yet."""
        package = self.dataset.identity.partition(DATA_MARK)[0].strip()
        identity = f"{package} {DATA_MARK}{fingerprint}".strip() if fingerprint else package
        return self.model_copy(update={"dataset": dataclasses.replace(self.dataset, identity=identity)})

    def params(self) -> dict[str, Scalar]:
        """Every field and every argument as one flat row: arguments as `shortcut.bias`, lists joined with commas."""
        flat: dict[str, Scalar] = {}
        for name, value in dict(self).items():
            flat |= value.params(name) if isinstance(value, Component) else {name: value}
        return flat

    def components(self) -> dict[str, Component]:
        """Field -> what it holds, of those that take a row of an open table."""
        return {name: value for name, value in dict(self).items() if isinstance(value, Component)}

    def label(self) -> str:
        """A short name for people: what the network is, and what else is swept most often."""
        parts = [str(self.shortcut if self.network.name != "vgg" else self.network)]
        parts += [f"depth {self.depth}", f"seed {self.seed}", str(self.ordering)]
        if self.regularizer.name != "none":
            parts.append(str(self.regularizer))
        if self.width != _default().width:
            parts.append(f"width {self.width}")
        return " ".join(parts)


def merge(base: Mapping[str, Any], point: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `point`; `shortcut.bias` sets one argument and leaves the others.

    A component that `point` names by itself takes the place of the base's, arguments included.
    """
    fields = dict(base)
    point = {str(name): value for name, value in point.items()}
    # A whole field comes before its single arguments, in whatever order they are written.
    for axis, value in sorted(point.items(), key=lambda item: "." in item[0]):
        name, _, argument = axis.partition(".")
        if not argument:
            fields[name] = value
            continue
        if name not in component_fields():
            fields[axis] = value  # no field: reported with those that there are
            continue
        try:
            component = parse_component(fields.get(name, TrainSpec.model_fields[name].default))
        except ValueError:
            continue  # the field itself is reported
        fields[name] = {"name": component.name, **component.arguments, argument: value}
        if component.identity:
            fields[name] = Component(component.name, {**component.arguments, argument: value}, {}, component.identity)
    return fields


@cache
def component_fields() -> tuple[str, ...]:
    """The fields that take a row of an open table."""
    return tuple(name for name, field in TrainSpec.model_fields.items() if field.annotation is Component)


@cache
def _default() -> TrainSpec:
    return TrainSpec()
