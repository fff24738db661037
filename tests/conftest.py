"""What every test starts from: a clean environment, one thread, and the markers' rules."""

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "firefox")
# Folders of tests that start real servers, clusters and browsers.
_WITH_PROCESSES = ("e2e", "faults", "scheduling", "plugins", "tracking")
_FOREIGN = ("MLFLOW_", "RESABLATE_")

# Derandomized: a run depends on the code alone. No database: nothing is left in the checkout.
settings.register_profile("resablate", deadline=None, derandomize=True, database=None)
settings.load_profile("resablate")


@pytest.fixture(autouse=True)
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the user's shell reaches a test, and nothing a test leaves reaches the user's folders."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name == "RAY_ADDRESS":
            monkeypatch.delenv(name)
    monkeypatch.setenv("RESABLATE_HOME", str(tmp_path))
    monkeypatch.setattr("resablate.machine_speed.folder", lambda: tmp_path / "calibrations")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Sums depend on the number of threads in their last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with a reason, what this machine cannot do or nobody asked for."""
    missing = {
        "slow": None if os.environ.get("RESABLATE_SLOW") == "1" else "takes minutes; set RESABLATE_SLOW=1",
        "gpu": None if torch.cuda.is_available() else "no CUDA device here",
        "browser": None if any(map(shutil.which, BROWSERS)) else f"no browser here ({', '.join(BROWSERS)})",
    }
    for item in items:
        for marker, reason in missing.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
    items.sort(key=_begins_late)


def _begins_late(item: pytest.Item) -> bool:
    """Whether a test may begin late: what starts processes takes long and would keep one worker busy at the end."""
    return Path(item.path).relative_to(Path(__file__).parent).parts[0] not in _WITH_PROCESSES


def pytest_collection_finish() -> None:
    """What stands until the end is not searched for garbage again and again: modules, and thousands of tests."""
    gc.collect()
    gc.freeze()
