"""The blocks of a sweep file with fields of their own: how it searches, how seeds come in rounds, on what it runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from resablate.component import as_yaml
from resablate.problems import check_truth_of_field

FIRST_SEEDS = 2
"""Of the first round, where a sweep does not say: the fewest that tell anything of the noise of seeds."""


class Search(BaseModel):
    """How the axes are explored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str = "grid"
    """A row of `resablate list searches`."""
    trials: int | None = Field(default=None, ge=1)
    """Points that are tried; of a search that knows all of them ahead, how many it draws."""
    seed: int = Field(default=0, ge=0)
    """Of the search's own random numbers."""
    minimize: tuple[str, ...] = ("val_error",)
    """`val_error`, `val_loss`, or `<analysis>/<number of its summary>`; several for `nsga2` and `tpe`."""
    seeds: tuple[Annotated[int, Field(ge=0)], ...] | None = None
    """Every point is tried once with each of these seeds, and the mean is what the search is told."""
    pruning: str = "none"
    """Which trials are stopped before their last epoch: a row of `resablate list prunings`."""
    analyze_best: int | None = Field(default=None, ge=1)
    """Ask the analyses of so many points, the best of the sweep, once all have ended; of every trial where null."""

    replicate: int | None = Field(default=None, ge=2)
    """Once the search has ended, train the winner and the sweep's baseline with so many seeds that it never used."""

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_true_or_false(cls, value: Any, field: ValidationInfo) -> Any:
        return check_truth_of_field(cls, value, field)

    @field_validator("minimize", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, names: Any) -> Any:
        return (names,) if isinstance(names, str) else names

    @field_validator("minimize", "seeds")
    @classmethod
    def _not_empty(cls, values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if values == ():
            raise ValueError("at least one is needed, got an empty list")
        return values


class Resources(BaseModel):
    """What one trial, or one pack, gets. CPUs are also its number of threads; a GPU may be shared in fractions."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cpus: float = Field(default=1, gt=0)
    gpus: Annotated[float, Field(ge=0)] | Literal["auto"] = "auto"
    """`auto` takes one where a node has one, else none."""
    gpu_memory_gib: float | None = Field(default=None, gt=0)
    """What one trial needs of a GPU that it shares: no more trials share one than fit into its memory."""
    pack: int | Literal["auto"] = "auto"
    """The most trials of one shape that train as one network; `auto`: as many as train fastest."""

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_true_or_false(cls, value: Any, field: ValidationInfo) -> Any:
        return check_truth_of_field(cls, value, field)

    @field_validator("pack", mode="before")
    @classmethod
    def _a_whole_number(cls, pack: Any) -> Any:
        if pack != "auto" and (not isinstance(pack, int) or isinstance(pack, bool) or pack < 1):
            raise ValueError(
                f"auto, or the most trials that train as one, a whole number from 1 on; got {as_yaml(pack)}"
            )
        return pack

    @field_validator("gpus")
    @classmethod
    def _whole_gpus(cls, gpus: float | str) -> float | str:
        if not isinstance(gpus, str) and gpus > 1 and not float(gpus).is_integer():
            raise ValueError(f"a part of one GPU or whole ones, got {gpus:g}")
        return gpus


class SeedRounds(BaseModel):
    """Replicates that come in rounds: 0, 1, 2, ... of each cell, until what compares it is decided."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    until: Literal["decided"]
    most: int = Field(ge=2)
    """Trainings of a cell after which nobody trains on."""
    first: int = Field(default=FIRST_SEEDS, ge=2)
    """Trainings of each cell in the first round."""
    claims: tuple[str, ...] | None = None
    """Those that are to be decided, and on which alone the level is spent; `own` are the sweep's own comparisons. Where
    null, these and all that the sweep can decide."""

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_true_or_false(cls, value: Any, field: ValidationInfo) -> Any:
        return check_truth_of_field(cls, value, field)

    @field_validator("claims", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, names: Any) -> Any:
        return (names,) if isinstance(names, str) else names

    @field_validator("claims")
    @classmethod
    def _named_once(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names == ():
            raise ValueError("at least one is needed, got an empty list; leave it out for all that can be decided")
        if names and (repeated := [name for place, name in enumerate(names) if name in names[:place]]):
            raise ValueError(f"every claim once, got {', '.join(repeated)} again")
        return names

    @model_validator(mode="after")
    def _several_rounds(self) -> Self:
        if self.most < self.first:
            raise ValueError(f"first <= most must hold, but got first={self.first}, most={self.most}")
        if self.most == self.first:
            raise ValueError(
                f"first and most are both {self.most}: that is one round, which is an axis, seed: [0, ...,"
                f" {self.most - 1}]; write a larger most"
            )
        return self
