"""What a network answers while it trains, and the files that its trial keeps until it ends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import final

from pydantic import ConfigDict, TypeAdapter
from torch import nn

from resablate.dissection import Dissection
from resablate.errors import CheckpointError, FilesLost
from resablate.result import weights_file
from resablate.storage.files import digest, write_bytes
from resablate.training import save_weights

# The list alone takes a setting that reaches every number: one of the class itself leaves NaN in tables as null.
_DISSECTIONS = TypeAdapter(list[Dissection], config=ConfigDict(ser_json_inf_nan="strings"))
_FILE = re.compile(r"analyses-(\d{6})\.json")


@final
class EpochAnswers:
    """The answers after epochs of a trial's training, with the weights that they are about.

    Args:
        folder: of the trial; nothing is written where None.

    Attributes:
        by_epoch: epoch -> answers.
        files: name -> SHA-256 of each file in the folder, which a checkpoint lists.
    """

    def __init__(self, folder: Path | None) -> None:
        self.by_epoch: dict[int, Dissection] = {}
        self.files: dict[str, str] = {}
        self._folder = folder

    def add(self, epoch: int, answers: Dissection, network: nn.Module) -> None:
        """Keep the answers after an epoch, and the network's weights; those of epoch 0 are built anew."""
        self.by_epoch[epoch] = answers
        if self._folder is None:
            return
        if epoch:
            self.add_weights(epoch, network)
        name, content = f"analyses-{epoch:06d}.json", _DISSECTIONS.dump_json([answers])
        write_bytes(self._folder / name, content)
        self.files[name] = digest(content)

    def add_weights(self, epoch: int | None, network: nn.Module) -> None:
        """Keep the network's weights after an epoch, or at the end where None."""
        if self._folder is not None:
            name = weights_file(epoch)
            self.files[name] = save_weights(self._folder / name, network)

    def restore(self, files: dict[str, str]) -> None:
        """Go on with the files of a checkpoint.

        Raises:
            CheckpointError: if one is not what this version writes.
        """
        assert self._folder is not None
        self.by_epoch, self.files = {}, dict(files)
        for name in files:
            if found := _FILE.fullmatch(name):
                try:
                    [answers] = _DISSECTIONS.validate_json((self._folder / name).read_bytes())
                except ValueError as error:
                    reason = str(error).partition("\n")[0]
                    raise CheckpointError(f"{self._folder / name}: holds no answers ({reason})") from None
                self.by_epoch[int(found[1])] = answers

    def before(self, epoch: int) -> list[Dissection]:
        """The answers after earlier epochs, in their order."""
        return [answers for at, answers in sorted(self.by_epoch.items()) if at < epoch]

    @property
    def kept_epochs(self) -> tuple[int, ...]:
        """The epochs whose weights are kept."""
        return tuple(epoch for epoch in sorted(self.by_epoch) if weights_file(epoch) in self.files)

    def weights(self) -> dict[str, bytes]:
        """Name -> content of every file of weights that is kept.

        Raises:
            FilesLost: if one cannot be read, or is not what was written.
        """
        assert self._folder is not None
        found: dict[str, bytes] = {}
        for name in [weights_file(epoch) for epoch in (*self.kept_epochs, None)]:
            try:
                found[name] = (self._folder / name).read_bytes()
            except OSError as error:
                raise FilesLost(f"{self._folder / name}: lost while its trial ran ({error.strerror})") from None
            if digest(found[name]) != self.files[name]:
                raise FilesLost(f"{self._folder / name}: its content is not what was written")
        return found
