"""`RecordKeeping`: what a person does with records that are there."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

SUPERSEDED = "superseded"
"""The status of a run whose trial was trained again on purpose: it stays, and counts nowhere."""


class RecordKeeping(ABC):
    """Lists, sets aside and forgets records. Every method raises `TrackingError` as those of `Tracker` do."""

    @abstractmethod
    def sweeps(self) -> list[str]:
        """The names of all sweeps, the latest submitted first."""

    @abstractmethod
    def made_with(self, run_ids: Iterable[str]) -> dict[str, str]:
        """Run id -> `source` of the versions that a result was made with, of those that say it."""

    @abstractmethod
    def files_away(self, run_ids: Iterable[str]) -> str:
        """Where the files of complete trials ought to lie, if none of them is there; empty if some are, or need not be.

        Then they are likely to be away for a moment, and to train everything again would be wrong.
        """

    @abstractmethod
    def supersede(self, run_id: str) -> None:
        """Marks the run of a trial that is to be trained again: it stays, and counts nowhere any more."""

    @abstractmethod
    def forget_sweep(self, name: str) -> int:
        """Removes every record of the sweep called `name`, and says how many trials' runs that were.

        A trial that the sweep took from another one stays there.

        Raises:
            UnknownSweep: if there is no such sweep; the message names those there are.
        """
