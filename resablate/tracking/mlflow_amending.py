"""Measurements that come after a trial has ended, in its run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from resablate.result import TrialResult
from resablate.tracking.amending import amended_result, stored_epochs
from resablate.tracking.digest_tags import record_tags, recorded, stored_as, weights_tags
from resablate.tracking.measured_tags import measured_tags
from resablate.tracking.metrics import new_points
from resablate.tracking.mlflow_records import RunFiles, new_answers_file, read_record
from resablate.tracking.mlflow_runs import log_tags_last, write_files
from resablate.tracking.mlflow_store import KEY, MlflowStore

if TYPE_CHECKING:
    from mlflow.entities import Run


def add_answers(
    store: MlflowStore, run: Run, result: TrialResult, *, weights: Mapping[str, Path], figures: Mapping[str, bytes]
) -> None:
    """Store measurements beside the result of a run, in files of their own; arguments as `Tracker.amend_trial`'s.

    Raises:
        TrackingError: if the run holds no result, or another trial's.
    """
    info, tags = run.info, run.data.tags
    record = recorded(tags)
    before = read_record(RunFiles.of(store, run), key=tags[KEY], record=record)
    merged = amended_result(before, result, weights=weights)
    name = new_answers_file(record)
    part = Path(name).stem
    kept = tuple(epoch for epoch in stored_epochs(weights) if epoch is not None)
    content = {name: result.model_copy(update={"history": (), "kept_epochs": kept}).to_json().encode()}
    placed = {stored_as(weight, part): file for weight, file in weights.items()}
    write_files(store, info.run_id, records=content, weights=placed, figures=figures)
    said = measured_tags(result, part=part) | weights_tags(weights, part=part) | record_tags(content)
    points = new_points(merged, before=before)
    log_tags_last(store, info.run_id, points, start=info.end_time or info.start_time, tags=said)
