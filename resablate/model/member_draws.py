"""Torch's global generators, a state for each member of a pack."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


class MemberDraws:
    """What layers draw from torch's global generators, such as dropout, as if each member ran by itself.

    Nothing can be drawn before `start`.
    """

    def __init__(self) -> None:
        self._states: list[list[Tensor]] = []
        self._device = torch.device("cpu")

    def start(self, seeds: Sequence[int], device: torch.device) -> None:
        """Begin anew: each member draws as after `torch.manual_seed` of its seed."""
        self._device = device
        self._states = []
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            for seed in seeds:
                torch.manual_seed(seed)
                self._states.append(self._read())

    @contextmanager
    def of(self, member: int) -> Generator[None]:
        """Inside, the global generators are the member's; outside they are as before."""
        before = self._read()
        self._write(self._states[member])
        try:
            yield
        finally:
            self._states[member] = self._read()
            self._write(before)

    def _read(self) -> list[Tensor]:
        states = [torch.get_rng_state()]
        return [*states, torch.cuda.get_rng_state(self._device)] if self._device.type == "cuda" else states

    def _write(self, states: Sequence[Tensor]) -> None:
        torch.set_rng_state(states[0])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(states[1], self._device)
