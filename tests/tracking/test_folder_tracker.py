"""Records in a folder, as two threads of one process write them."""

import threading
from pathlib import Path

import pytest

from resablate.storage.files import write_bytes
from resablate.tracking import folder_submissions
from resablate.tracking.folder_tracker import FolderTracker
from tests.scheduling.tiny import final_plan


def test_a_trial_that_is_noted_while_another_is_written_is_in_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread trains and another one files: the file that is written last must not be the older list."""
    plan = final_plan({"seed": [0, 1, 2]}, analyses={})
    tracker = FolderTracker(tmp_path)
    tracker.start_sweep(plan.sweep, trials=plan.trials[:1], command="")
    other = threading.Thread(target=tracker.note_trial, args=[plan.trials[2]])

    def write_slowly(path: Path, content: bytes) -> None:
        if not other.ident:
            other.start()
            other.join(timeout=0.2)  # it comes first, where nothing keeps it
        write_bytes(path, content)

    monkeypatch.setattr(folder_submissions, "write_bytes", write_slowly)
    tracker.note_trial(plan.trials[1])
    other.join()
    assert {spec.key for spec in tracker.load_sweep("tiny").missing} == {spec.key for spec in plan.trials}
