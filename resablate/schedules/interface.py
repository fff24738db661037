"""What a schedule is: a function from the number of the step to its learning rate."""

from typing import Protocol


class Schedule(Protocol):
    """A row: the rate of step `iteration`, counted from 0, of `total`; arguments are further keywords with defaults."""

    def __call__(self, iteration: int, total: int, *, learning_rate: float) -> float:
        """The rate."""
        ...
