"""What is used of Ray that Ray does not document: it is there, and nothing depends on its being there."""

import logging
import os
import subprocess
import sys
from types import ModuleType

import pytest

from resablate.scheduling.ray_private import forget_token, loopback_alone

TWO_TOKENS = """
import os
from ray._raylet import AuthenticationTokenLoader
from resablate.scheduling.ray_private import forget_token

found = []
for token in ("first" * 10, "second" * 10):
    os.environ["RAY_AUTH_TOKEN"] = token
    found.append(AuthenticationTokenLoader.instance().get_raw_token() == token)
    forget_token()
    found.append(AuthenticationTokenLoader.instance().get_raw_token() == token)
print(found)
"""


def test_the_installed_ray_reads_the_token_again() -> None:
    """In a process of its own, which has used no Ray; without it, the second token would be the first."""
    command, environment = [sys.executable, "-c", TWO_TOKENS], {**os.environ, "RAY_AUTH_MODE": "token"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split("\n")[-2] == "[True, True, False, True]"


def test_the_name_is_there(caplog: pytest.LogCaptureFixture) -> None:
    forget_token()
    assert caplog.records == []


@pytest.mark.parametrize("there", [None, ModuleType("ray._raylet")], ids=["no module", "no name"])
def test_a_ray_without_it_is_a_warning(
    there: ModuleType | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "ray._raylet", there)
    with caplog.at_level(logging.WARNING):
        forget_token()
    [record] = caplog.records
    assert "this version of Ray keeps the first token of a process" in record.getMessage()


def test_the_switch_of_the_loopback_is_there_and_is_put_back(caplog: pytest.LogCaptureFixture) -> None:
    """What it does is looked at in test_ray_tune.py."""
    from ray._private import ray_constants, services

    before = ray_constants.ENABLE_RAY_CLUSTER
    with loopback_alone():
        assert services.resolve_ip_for_localhost("127.0.0.1") == "127.0.0.1"
    with pytest.raises(ZeroDivisionError), loopback_alone():
        raise ZeroDivisionError
    assert ray_constants.ENABLE_RAY_CLUSTER is before
    assert caplog.records == []


def test_a_ray_without_the_switch_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from ray._private import ray_constants

    monkeypatch.delattr(ray_constants, "ENABLE_RAY_CLUSTER")
    with caplog.at_level(logging.WARNING), loopback_alone():
        pass
    [record] = caplog.records
    assert "listens on every address of this machine, with a token" in record.getMessage()
