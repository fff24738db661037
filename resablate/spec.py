"""`TrialSpec`: everything that is asked of one trial, in one flat frozen record."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from resablate.errors import SpecError
from resablate.problems import problems

ArgumentValue = bool | float | str
ParamValue = bool | int | float | str
KEY_LENGTH = 16
"""Hexadecimal digits of a trial key: 64 bits, so 10,000 keys collide with a chance of 3e-12."""


def _as_number(value: ArgumentValue) -> ArgumentValue:
    """`value` as a number where it is written as one: YAML 1.1 reads `1e-4` as a string."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


class TrialSpec(BaseModel):
    """Every knob of one trial.

    A knob has one name everywhere: here, in the sweep file, in the keyword that receives it, as MLflow param and as
    column of the report. A default is never changed once released, because `key` leaves defaults out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    # network
    network: str = "resnet"
    """A row of `resablate list networks`."""
    shortcut: str = "identity"
    """How x passes the branch: a row of `resablate list shortcuts`."""
    shortcut_args: dict[str, ArgumentValue] = Field(default_factory=dict[str, ArgumentValue])
    """Arguments of the shortcut, such as the gates' `bias`; as an axis: `shortcut_args.bias`."""
    ordering: str = "original"
    """Order of convolution, batch norm and ReLU: a row of `resablate list orderings`."""
    block: str = "basic"
    """The convolutions of a branch: a row of `resablate list blocks`."""
    transition: str = "pad"
    """How x gets the shape of the next stage: pad (option A), projection (option B), or bare (Procrustes ResNet)."""
    stage_preactivation: str = "projected"
    """Which blocks at the start of a stage pre-activate x before it splits: projected, shared (all) or own (none)."""
    depth: int = Field(default=20, ge=1, le=10_000)
    """Weighted layers, as in the papers' names: 6n+2 for basic blocks, 9n+2 for bottlenecks, 3n+2 for single ones."""
    width: int = Field(default=16, ge=1, le=16_384)
    """Channels inside the first stage's blocks; each later stage has twice as many."""
    batch_norm: bool = True
    """Whether a `vgg` has batch norm; residual networks always do."""

    # data
    dataset: str = "digits"
    """A row of `resablate list datasets`."""
    train_examples: int | None = Field(default=None, ge=1)
    """Keep only so many training examples, chosen by seed; all where null."""
    val_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of the training examples held out for `val_error`."""
    augmentation: str = "none"
    """A row of `resablate list augmentations`."""
    crop_padding: int = Field(default=4, ge=1, le=1_024)
    """Pixels of padding on each side before a random crop."""
    crop_fill: str = "zero"
    """What the padding holds: a row of `resablate list crop_fills`."""
    normalization: str = "per_channel"
    """How pixels are centered and scaled: a row of `resablate list normalizations`."""
    train_crop: int = Field(default=224, ge=8, le=4_096)
    """Sides in pixels of what an `image_folder` network trains on."""
    test_crop: int = Field(default=224, ge=8, le=4_096)
    """Sides in pixels of what an `image_folder` network is tested on; He et al. 2016, Table 5: 320."""

    # training
    epochs: int = Field(default=12, ge=1, le=1_000_000)
    """Passes over the training examples."""
    iterations: int | None = Field(default=None, ge=1)
    """Stop after so many steps, if `epochs` have more; He et al.: 64,000."""
    batch_size: int = Field(default=128, ge=2, le=1_000_000)
    """Examples per step."""
    learning_rate: float = Field(default=0.1, gt=0)
    """The schedule's highest rate."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Of SGD."""
    nesterov: bool = False
    """Whether the momentum looks ahead."""
    weight_decay: float = Field(default=1e-4, ge=0)
    """L2 penalty."""
    weight_decay_on: str = "all"
    """What is decayed: a row of `resablate list weight_decays`."""
    schedule: str = "steps"
    """The learning rate by iteration: a row of `resablate list schedules`."""
    milestones: tuple[float, ...] = (0.5, 0.75)
    """Parts of the run after which `steps` multiplies the rate by `decay_factor`; He et al.: 32k, 48k of 64k."""
    decay_factor: float = Field(default=0.1, gt=0, le=1)
    """What the rate is multiplied by at each milestone."""
    warmup_iterations: int = Field(default=0, ge=0, le=1_000_000_000)
    """Iterations at `warmup_learning_rate` before `steps` begins; He et al.: 400."""
    warmup_learning_rate: float = Field(default=0.01, gt=0)
    """The rate during the warm-up."""
    precision: str = "float32"
    """Arithmetic of convolutions and products: a row of `resablate list precisions`."""
    memory_format: str = "contiguous"
    """Order of a tensor's axes in memory: a row of `resablate list memory_formats`."""
    compile: bool = False
    """Whether training runs through `torch.compile`."""

    block_sampling: str = "all"
    """Which blocks a batch trains: a row of `resablate list block_samplings`."""
    final_survival: float = Field(default=0.5, gt=0, le=1)
    """Chance of the last block under `stochastic_depth`."""
    sampled_blocks: int = Field(default=23, ge=1)
    """Blocks in a batch under `fixed_count`; Veit et al.: 23 of 54."""

    # singular values
    regularizer: str = "none"
    """What acts on the convolutions' singular values: a row of `resablate list regularizers`."""
    sv_strength: float = Field(default=0.0, ge=0)
    """Strength of the regularizer; 0 is the same as none."""
    sv_layers: str = "all"
    """The convolutions it acts on: a row of `resablate list sv_layers`; the paper's: stem+transitions."""
    sv_target: Annotated[float, Field(gt=0)] | Literal["backward", "forward"] = "backward"
    """The singular value they are drawn to: backward (keeps gradients, the paper's), forward, or a number."""
    sv_frequency: float = Field(default=0.5, ge=0, le=1)
    """Probability of a step of `procrustes` after an update; the paper's code: 0.5. 0 is the same as no regularizer."""
    sv_stem: str = "corrected"
    """What `procrustes` does to the first convolution: a row of `resablate list sv_stems`."""

    # analyses
    analyses: tuple[str, ...] = ("lesion", "path_gradient")
    """What is done with the trained network: rows of `resablate list analyses`."""
    analysis_epochs: tuple[int, ...] = ()
    """Epochs after which the analyses that follow training run too; 0 is the network before its first step."""
    lesion_examples: int | None = Field(default=None, ge=1)
    """Test examples that `lesion` uses; all where null."""
    lesion_arithmetic: str = "exact"
    """How `lesion` computes: a row of `resablate list lesion_arithmetics`."""
    multi_lesion_largest: int = Field(default=20, ge=1, le=10_000)
    """`multi_lesion` removes 1, 2, ... up to so many blocks at once; Veit et al.: 20."""
    multi_lesion_subsets: int = Field(default=100, ge=1, le=1_000_000)
    """Random sets of blocks that `multi_lesion` removes for each size."""
    multi_lesion_design: str = "independent"
    """How those sets are drawn: a row of `resablate list lesion_designs`."""
    multi_lesion_examples: int | None = Field(default=None, ge=1)
    """Test examples that `multi_lesion` uses; all where null."""
    reorder_swaps: int = Field(default=20, ge=1, le=10_000)
    """`reorder` swaps 1, 2, ... up to so many pairs of blocks."""
    reorder_samples: int = Field(default=20, ge=1, le=1_000_000)
    """Random orders that `reorder` draws for each number of swaps."""
    reorder_examples: int | None = Field(default=None, ge=1)
    """Test examples that `reorder` uses; all where null."""
    path_examples: int = Field(default=32, ge=1, le=1_000_000)
    """Training examples whose gradients `path_gradient` follows."""
    path_samples: int = Field(default=4, ge=1, le=1_000_000)
    """Single paths that `path_gradient` samples for each length."""
    path_signs: int = Field(default=4, ge=0, le=1_000_000)
    """Draws of random signs from which `path_gradient` takes the root-mean-square norm of single paths."""
    norm_examples: int = Field(default=256, ge=1, le=1_000_000)
    """Training examples whose gradients `norm_preservation` measures at every block."""
    subset_samples: int = Field(default=20, ge=1, le=1_000_000)
    """Random subsets of blocks whose predictions `test_time_rules` averages."""

    # replicate
    seed: int = Field(default=0, ge=0, le=2**63 - 1)
    """Fixes the split, the initial weights, the order of the examples, augmentation and sampling."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_as_number(cls, value: Any, field: ValidationInfo) -> Any:
        annotation = cls.model_fields[str(field.field_name)].annotation
        if isinstance(value, bool) and annotation is not bool:
            raise ValueError(f"must not be true or false, got {value!r}")
        if isinstance(value, str) and get_origin(annotation) is tuple:
            return [part.strip() for part in value.split(",") if part.strip()]  # as a run's params show a list
        return value

    @field_validator("shortcut_args")
    @classmethod
    def _numbers(cls, value: dict[str, ArgumentValue]) -> dict[str, ArgumentValue]:
        numbers = {name: _as_number(argument) for name, argument in sorted(value.items())}
        for name, number in numbers.items():
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError(f"{name} must be a finite number, got {number}")
        return numbers

    @field_validator("milestones")
    @classmethod
    def _milestones(cls, milestones: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < m < 1 for m in milestones) or list(milestones) != sorted(milestones):
            raise ValueError(f"milestones are parts of the run: rising numbers between 0 and 1, got {list(milestones)}")
        return milestones

    @field_validator("analysis_epochs")
    @classmethod
    def _epochs(cls, epochs: tuple[int, ...]) -> tuple[int, ...]:
        if any(epoch < 0 for epoch in epochs) or list(epochs) != sorted(set(epochs)):
            raise ValueError(f"analysis_epochs are rising whole numbers from 0 on, got {list(epochs)}")
        return epochs

    @model_validator(mode="after")
    def _no_repeats(self) -> TrialSpec:
        if len(set(self.analyses)) < len(self.analyses):
            raise ValueError(f"analyses must be different ones, got {list(self.analyses)}")
        return self

    @classmethod
    def parse(cls, fields: Mapping[str, Any], *, place: str = "") -> TrialSpec:
        """A spec from plain values.

        Raises:
            SpecError: with one line for each field that is unknown or out of its range.
        """
        try:
            return cls.model_validate(dict(fields))
        except ValidationError as error:
            raise SpecError(problems(error, known=cls.model_fields), place=place) from None

    def replace(self, **fields: Any) -> TrialSpec:
        """A copy with other values in some fields, validated like a new one."""
        return TrialSpec.parse({**dict(self), **fields})

    def changes(self) -> dict[str, Any]:
        """The fields that differ from their defaults, as JSON values: what the key is made of."""
        plain, default = self.model_dump(mode="json"), _defaults()
        return {name: value for name, value in plain.items() if value != default[name]}

    @property
    def key(self) -> str:
        """The trial's content key: equal for equal questions, whoever asks and wherever."""
        text = json.dumps(_whole_numbers(self.changes()), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]

    def params(self) -> dict[str, ParamValue]:
        """Every field as one flat row: arguments as `shortcut_args.<name>`, lists joined with commas."""
        flat: dict[str, ParamValue] = {}
        for name, value in dict(self).items():
            if isinstance(value, dict):
                arguments: dict[str, ArgumentValue] = value
                flat.update({f"{name}.{argument}": v for argument, v in arguments.items()})
            elif isinstance(value, tuple):
                flat[name] = ",".join(str(part) for part in value)
            else:
                flat[name] = "all" if value is None else value
        return flat

    def label(self) -> str:
        """A short name for people: what the network is, and what else is swept most often."""
        arguments = ", ".join(f"{name}={value}" for name, value in self.shortcut_args.items())
        shortcut = f"{self.shortcut}({arguments})" if arguments else self.shortcut
        parts = [
            shortcut if self.network == "resnet" else self.network,
            f"depth {self.depth}",
            f"seed {self.seed}",
            self.ordering,
        ]
        if self.regularizer != "none":
            parts.append(f"{self.regularizer} {self.sv_strength:g}")
        if self.width != TrialSpec.model_fields["width"].default:
            parts.append(f"width {self.width}")
        return " ".join(parts)


@cache
def _defaults() -> Mapping[str, Any]:
    return TrialSpec().model_dump(mode="json")


def _whole_numbers(value: Any) -> Any:
    """`value` with every whole float as an int, so that -6 and -6.0 give one key."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _whole_numbers(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_whole_numbers(part) for part in value]
    return value
