"""The result of a trial in its run: files that are written once, and tags with their digests that are set afterwards.

What is measured later is a file of its own beside the result, so nothing is written over, and of two who measure one
trial neither can erase what the other found.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from resablate.errors import DamagedResult
from resablate.redaction import redact
from resablate.result import RESULT_FILE, TrialResult
from resablate.storage.files import digest
from resablate.tracking.amending import amended_result
from resablate.tracking.mlflow_experiments import lies_where_it_should
from resablate.tracking.mlflow_store import MlflowStore

if TYPE_CHECKING:
    from mlflow.entities import Run

log = logging.getLogger(__name__)

_PAUSE_SECONDS = 0.2
"""Before a file that is not whole is read again: a connection may have been cut."""
_ANSWERS = re.compile(r"answers-(\d{4,})-[0-9a-f]{8}\.json")


def new_answers_file(record: Mapping[str, str]) -> str:
    """A name for what was measured after the files of `record`, and that nobody else chooses."""
    numbers = [int(found[1]) for name in record if (found := _ANSWERS.fullmatch(name))]
    return f"answers-{max(numbers, default=0) + 1:04d}-{secrets.token_hex(4)}.json"


class RunFiles(NamedTuple):
    """Where the files of a run lie."""

    store: MlflowStore
    run_id: str
    artifact_uri: str

    @classmethod
    def of(cls, store: MlflowStore, run: Run) -> RunFiles:
        """Those of a run of MLflow's."""
        return cls(store, run.info.run_id, str(run.info.artifact_uri))

    def read_whole(self, name: str, expected: str) -> bytes:
        """The content of a file.

        Args:
            name: of the file.
            expected: its SHA-256.

        Raises:
            DamagedResult: if there is no such file, or it has another content.
            TrackingError: if the store cannot be read.
        """
        place = f"{name} of run {self.run_id}"
        if not lies_where_it_should(self.store, self.artifact_uri):
            raise DamagedResult(f"{place}: it is said to lie at {redact(self.artifact_uri)}, where no results lie")
        content: bytes | None = None
        for pause in (_PAUSE_SECONDS, 0.0):
            content = self.store.read_file(self.run_id, self.artifact_uri, name)
            if content is not None and digest(content) == expected:
                return content
            time.sleep(pause)
        raise DamagedResult(f"{place}: {'it is missing' if content is None else 'its content is not what was filed'}")


def read_record(files: RunFiles, *, key: str, record: Mapping[str, str]) -> TrialResult:
    """The result that a run holds, with everything that was measured later.

    Later measurements that are damaged are passed over with a warning.

    Args:
        files: of the run.
        key: of the trial.
        record: by `recorded`.

    Raises:
        DamagedResult: if the result is missing, or not the one that was filed there.
        TrackingError: if the store cannot be read.
    """
    if RESULT_FILE not in record:
        raise DamagedResult(f"{RESULT_FILE} of run {files.run_id}: what it holds was not filed, so it is no result")
    result = _read(files, RESULT_FILE, key, record)
    for name in sorted(filter(_ANSWERS.fullmatch, record)):
        try:
            result = amended_result(result, _read(files, name, key, record))
        except DamagedResult as error:
            log.warning("%s; its measurements are passed over", error)
    return result


def damaged_answers(files: RunFiles, *, key: str, record: Mapping[str, str]) -> dict[str, str]:
    """Name -> what is wrong with it, of the files of later measurements; arguments as those of `read_record`.

    Raises:
        TrackingError: if the store cannot be read.
    """
    damaged: dict[str, str] = {}
    for name in filter(_ANSWERS.fullmatch, record):
        try:
            _read(files, name, key, record)
        except DamagedResult as error:
            damaged[name] = str(error)
    return damaged


def _read(files: RunFiles, name: str, key: str, record: Mapping[str, str]) -> TrialResult:
    place, content = f"{name} of run {files.run_id}", files.read_whole(name, record[name])
    try:
        result = TrialResult.from_json(content)
    except ValueError as error:
        reason = str(error).partition("\n")[0]
        raise DamagedResult(f"{place}: it is not what this version of resablate writes ({reason})") from None
    if result.key != key:
        raise DamagedResult(f"{place}: it is the result of trial {result.key}, not of {key}")
    return result
