"""A Ray cluster that is not there, or no address: one line, at once."""

from __future__ import annotations

import socket
import time

import pytest

from resablate.errors import ResourceError
from resablate.scheduling import run, run_sweep
from resablate.scheduling.ray_address import cannot_start, check_ray_address
from resablate.tracking import MemoryTracker
from tests.scheduling.test_inline import Console, io
from tests.scheduling.tiny import tiny_plan


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://127.0.0.1:8265", r"not the address of a Ray cluster, HOST:PORT, .* resablate submit --address$"),
        ("127.0.0.1", "not the address of a Ray cluster, HOST:PORT, ray://HOST:PORT or auto$"),
        ("127.0.0.1:{closed}", "no Ray cluster answers there .*; unset RAY_ADDRESS"),
        ("ray://127.0.0.1:{closed}", "no Ray cluster answers there"),
        ("[::1]:{closed}", "no Ray cluster answers there"),
        ("127.0.0.1:99999", "no Ray cluster answers there"),
        ("no-such-host.invalid:6379", "no Ray cluster answers there"),
    ],
)
def test_a_dead_address_or_none_is_told_before_anything_is_done(
    address: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = MemoryTracker()
    monkeypatch.setattr(run, "open_tracker", lambda uri: memory)
    monkeypatch.setenv("RAY_ADDRESS", address.format(closed=closed_port()))
    start = time.monotonic()
    with pytest.raises(ResourceError, match=told) as caught:
        run_sweep(tiny_plan({"seed": [0]}), scheduler="ray_tune", command="", console=Console(file=io.StringIO()))
    assert time.monotonic() - start < 30
    assert "\n" not in str(caught.value)
    assert not memory.submissions


def test_what_answers_is_left_to_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        for form in ("127.0.0.1:{}", "ray://127.0.0.1:{}"):
            monkeypatch.setenv("RAY_ADDRESS", form.format(server.getsockname()[1]))
            check_ray_address()
    for free in ("", "auto", "local"):
        monkeypatch.setenv("RAY_ADDRESS", free)
        check_ray_address()


def test_a_machine_where_ray_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from resablate.scheduling import ray_tune

    def fail(**words: object) -> None:
        raise RuntimeError("\nThe raylet died.\nsee /tmp/ray")

    monkeypatch.setattr(ray_tune.ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray_tune.ray, "init", fail)
    with pytest.raises(ResourceError, match=r"^Ray cannot start here \(RuntimeError: The raylet died\.\); --inline "):
        ray_tune.connect_ray()
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    with pytest.raises(ResourceError, match="the cluster at RAY_ADDRESS=auto cannot be joined "):
        ray_tune.connect_ray()
    assert "no reason given" in str(cannot_start(ConnectionError()))
