"""What a trial's process uses: measured, kept with the result, charted and shown."""

import io
import subprocess
import sys
import time

import pytest
import torch
from rich.console import Console

from resablate.process_use import UseMeter, most_resident
from resablate.result import TrialResult
from resablate.scheduling.progress import SweepProgress
from resablate.spec import TrainSpec
from resablate.tracking.metrics import final_points
from tests.factories import make_result


def test_a_busy_process_is_about_one_core_and_a_sleeping_one_none() -> None:
    meter = UseMeter(torch.device("cpu"))
    started = time.process_time()
    while time.process_time() - started < 0.2:
        pass
    meter.look()
    busy = meter.use()
    assert set(busy) == {"cpu_percent", "memory_mib"}
    sleeping = UseMeter(torch.device("cpu"))
    time.sleep(0.3)
    assert sleeping.use()["cpu_percent"] < busy["cpu_percent"]
    before = busy["memory_mib"]
    held = torch.ones(64 * 2**20)  # 256 MiB, all of it touched
    assert UseMeter(torch.device("cpu")).use()["memory_mib"] >= max(before, held.nbytes / 2**20)


def test_a_small_process_does_not_count_what_its_parent_held() -> None:
    held = torch.ones(256 * 2**20)  # 1 GiB, more than an interpreter with torch takes
    assert (most_resident() or 0) >= held.nbytes
    code = "from resablate.process_use import most_resident; print(most_resident())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 0 < int(told) < held.nbytes


def test_a_gpu_is_asked_after_each_epoch_and_may_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter([80, 90, RuntimeError("no NVML")])

    def utilization(device: torch.device) -> int:
        answer = next(said)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: 3 * 2**30)
    monkeypatch.setattr(torch.cuda, "utilization", utilization)
    meter = UseMeter(torch.device("cuda"))
    assert "gpu_percent" not in meter.use()
    for _ in range(3):
        meter.look()
    use = meter.use()
    assert (use["gpu_percent"], use["gpu_memory_mib"]) == (85, 3072)


def test_it_is_kept_charted_and_shown() -> None:
    use = {"cpu_percent": 98.5, "memory_mib": 512.0, "gpu_percent": 91.0}
    plain = make_result(seed=0)
    result = plain.model_copy(update={"use": use})
    assert TrialResult.from_json(result.to_json()).use == use
    assert '"use"' not in plain.to_json(), "records of before it stay what they are"
    charted = {point.name: point.value for point in final_points(result)}
    assert {name: value for name, value in charted.items() if name.startswith("system/")} == {
        f"system/{name}": value for name, value in use.items()
    }
    text = io.StringIO()
    console = Console(file=text, width=200)
    with SweepProgress([result.spec], label=TrainSpec.label, work=lambda spec: 1.0, console=console) as progress:
        progress.started(result.spec)
        progress.ended_with(result)
    assert ", GPU 91 % busy" in text.getvalue()
