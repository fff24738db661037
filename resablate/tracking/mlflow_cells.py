"""One run for each cell of a sweep: the means over its seeds.

Such a run is of the kind `cell`, and so no trial to anybody who asks for trials. Numbers are written again as seeds
end; curves, of which MLflow would keep the old points beside the new ones, once the cell is whole: where they change
later, a new run takes the place of the old one.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, final

from resablate.csv_files import write_csv
from resablate.errors import DamagedResult
from resablate.result import TrialResult
from resablate.spec import TrainSpec
from resablate.sweep import SweepSpec
from resablate.tracking.cell_records import (
    FEWEST_SEEDS,
    TABLE_COLUMNS,
    CellRecord,
    cell_name,
    cell_record,
    content_of,
    replication_name,
)
from resablate.tracking.mlflow_experiments import find_experiment
from resablate.tracking.mlflow_reader import MlflowReader
from resablate.tracking.mlflow_records import RunFiles, read_record
from resablate.tracking.mlflow_runs import log_values
from resablate.tracking.mlflow_store import (
    CELL,
    CELL_KIND,
    ERROR_WITH_INTERVAL,
    KIND,
    SCHEMA,
    SCHEMA_VERSION,
    SEEDS,
    SWEEP,
    MlflowStore,
)
from resablate.tracking.mlflow_trials import TrialRun, cell_runs, latest_complete, trial_runs
from resablate.tracking.mlflow_values import cut_text
from resablate.tracking.mlflow_views import write_views
from resablate.tracking.trial_lists import TrialList

if TYPE_CHECKING:
    from mlflow.entities import Run

CONTENT = "resablate.cell.content"
"""What a cell's run was made of, by `content_of`; followed by a mark where its curves are there."""
_WITH_CURVES = " curves"
_PAUSE_SECONDS = 5.0
"""Between two writings of a cell that is not whole, at least; and nine times as long as the last one took, for each
reads all results of the cell again, and what is filed after them waits."""
_TIMES_AS_LONG = 9


class _Followed(NamedTuple):
    sweep: SweepSpec
    experiment_id: str
    trials: TrialList


@final
class MlflowCells:
    """Keeps the runs of cells up to date.

    Args:
        store: where they are.
        reader: of the same store.
    """

    def __init__(self, store: MlflowStore, reader: MlflowReader) -> None:
        self._store = store
        self._reader = reader
        self._followed: _Followed | None = None
        self._cell_of: dict[str, str] = {}
        """Key -> cell: computed once, as it is a hash."""
        self._due: dict[str, float] = {}
        """Cell -> when it may be written again before it is whole, by `time.monotonic`."""
        self._left: dict[str, int] = {}
        """Cell -> how many of its trainings may not have ended yet."""
        self._arranged = False

    def follow(self, sweep: SweepSpec, experiment_id: str, trials: TrialList) -> None:
        """Know what a sweep consists of that this process runs."""
        self._arranged = False
        self._followed = _Followed(sweep, experiment_id, trials)

    def update(self, name: str, *, cell: str | None) -> None:
        """Write what is out of date.

        Args:
            name: of the sweep.
            cell: the one in which a trial ended; all of them, with their curves, where None.
        """
        with self._store.errors(f"filing the means of sweep {name!r}"):
            followed = self._followed
            if followed is None or followed.sweep.name != name:
                sweep, specs = self._reader.submitted(name)
                followed = _Followed(sweep, find_experiment(self._store, name), TrialList(specs))
            self._update(followed.sweep, followed.experiment_id, dict(followed.trials.by_key), cell=cell)

    def _update(
        self, sweep: SweepSpec, experiment_id: str, trials: Mapping[str, TrainSpec], *, cell: str | None
    ) -> None:
        cells = self._planned(sweep, trials)
        if cell is None:
            self._update_all(sweep, experiment_id, trials, cells)
            return
        for name in (cell, replication_name(cell)):
            if name in cells or name == cell:
                self._update_one(sweep, experiment_id, cells, name, cell)

    def _update_one(
        self,
        sweep: SweepSpec,
        experiment_id: str,
        cells: Mapping[str, list[tuple[str, TrainSpec]]],
        name: str,
        cell: str,
    ) -> None:
        planned = cells.get(name, [])
        self._left[name] = self._left.get(name, 1) - 1
        early = self._left[name] > 0 and time.monotonic() < self._due.get(name, 0.0)
        if self._arranged and (early or len(planned) < FEWEST_SEEDS):
            return
        complete = latest_complete(run for run in cell_runs(self._store, cell) if run.complete)
        ended = _ended(planned, complete)
        if not self._arranged:
            self._arrange(sweep, experiment_id, cells, ended)
        if len(planned) < FEWEST_SEEDS:
            return
        self._left[name] = len(planned) - len(ended)
        if ended and (not self._left[name] or not early):
            filed = next(self._filed(experiment_id, f" AND tags.`{CELL}` = '{name}'"), None)
            self._write(sweep, experiment_id, planned, ended, filed=filed, curves=not self._left[name])

    def _planned(self, sweep: SweepSpec, trials: Mapping[str, TrainSpec]) -> dict[str, list[tuple[str, TrainSpec]]]:
        """Cell -> keys and specs of its trainings; what replicates a search's winner is a cell of its own."""
        cells: dict[str, list[tuple[str, TrainSpec]]] = {}
        for key, spec in trials.items():
            if key not in self._cell_of:
                self._cell_of[key] = cell_name(spec, sweep)
            cells.setdefault(self._cell_of[key], []).append((key, spec))
        return cells

    def _update_all(
        self,
        sweep: SweepSpec,
        experiment_id: str,
        trials: Mapping[str, TrainSpec],
        cells: Mapping[str, list[tuple[str, TrainSpec]]],
    ) -> None:
        complete = latest_complete(run for run in trial_runs(self._store) if run.complete)
        filed: dict[str, Run] = {}
        surplus = [run for run in self._filed(experiment_id) if filed.setdefault(run.data.tags[CELL], run) is not run]
        for cell, planned in cells.items():
            ended = _ended(planned, complete)
            if ended and len(planned) >= FEWEST_SEEDS:
                self._write(sweep, experiment_id, planned, ended, filed=filed.pop(cell, None), curves=True)
        # Of cells that the sweep asks for no more, and where the server's answer to the making of a run was lost.
        for run in (*filed.values(), *surplus):
            self._store.client().delete_run(run.info.run_id)
        self._arrange(sweep, experiment_id, cells, [complete[key] for key in trials if key in complete])

    def _arrange(
        self,
        sweep: SweepSpec,
        experiment_id: str,
        cells: Mapping[str, Sequence[tuple[str, TrainSpec]]],
        ended: Sequence[TrialRun],
    ) -> None:
        """Keep the views, once a training has finished that tells which metrics there are."""
        finished = next((run for run in ended if run.status == "finished"), None)
        if finished:
            replicated = any(len(planned) >= FEWEST_SEEDS for planned in cells.values())
            kind = CELL_KIND if replicated else "trial"
            shared = set.intersection(*(set(spec.params()) for planned in cells.values() for _, spec in planned[:1]))
            write_views(self._store, experiment_id, sweep, run_id=finished.run_id, kind=kind, shared_params=shared)
            self._arranged = True

    def _filed(self, experiment_id: str, condition: str = "") -> Iterator[Run]:
        ours = f"tags.`{KIND}` = '{CELL_KIND}' AND tags.`{SCHEMA}` = '{SCHEMA_VERSION}'{condition}"
        return self._store.runs(ours, experiment_ids=[experiment_id])

    def _write(
        self,
        sweep: SweepSpec,
        experiment_id: str,
        planned: Sequence[tuple[str, TrainSpec]],
        ended: Sequence[TrialRun],
        *,
        filed: Run | None,
        curves: bool,
    ) -> None:
        content = content_of([(run.run_id, run.measured) for run in ended])
        before = filed.data.tags.get(CONTENT, "") if filed else ""
        seeds = f"{len(ended)} of {len(planned)}"
        if before == content + _WITH_CURVES or (before == content and not curves):
            assert filed is not None
            if filed.data.tags.get(SEEDS) != seeds:
                self._store.client().set_tag(filed.info.run_id, SEEDS, seeds)
            return
        begin = time.monotonic()
        results = [result for result in map(self._read, ended) if result is not None]
        if not results:
            return
        record = cell_record(results)
        # Curves would stand beside the old ones; without its content, a process was killed before the run was whole.
        if filed and (not before or before.endswith(_WITH_CURVES)):
            self._store.client().delete_run(filed.info.run_id)
            filed = None
        cell = self._cell_of[planned[0][0]]
        run_id = filed.info.run_id if filed else self._create(sweep, experiment_id, record, cell)
        log_values(self._store, run_id, [*record.numbers, *(record.curves if curves else ())])
        self._log_table(run_id, record)
        tags = {SEEDS: seeds, ERROR_WITH_INTERVAL: record.test_error_text()}
        log_values(self._store, run_id, tags=tags | {CONTENT: content + (_WITH_CURVES if curves else "")})
        now = time.monotonic()
        self._due[cell] = now + max(_PAUSE_SECONDS, _TIMES_AS_LONG * (now - begin))

    def _create(self, sweep: SweepSpec, experiment_id: str, record: CellRecord, cell: str) -> str:
        tags = {SCHEMA: SCHEMA_VERSION, KIND: CELL_KIND, CELL: cell, SWEEP: sweep.name}
        label = sweep.cell_label(record.spec) + (", new seeds" if cell != record.spec.cell else "")
        client = self._store.client()
        run = client.create_run(experiment_id, tags=tags, run_name=cut_text(label))
        log_values(self._store, run.info.run_id, params=record.params())
        client.set_terminated(run.info.run_id)  # nobody shall wait for it; what is logged later is taken all the same
        return run.info.run_id

    def _log_table(self, run_id: str, record: CellRecord) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "means.csv")
            write_csv(file, TABLE_COLUMNS, record.table)
            self._store.client().log_artifact(run_id, str(file), "tables")

    def _read(self, run: TrialRun) -> TrialResult | None:
        try:
            return read_record(RunFiles(self._store, run.run_id, run.artifact_uri), key=run.key, record=run.record)
        except DamagedResult:  # whoever reads the sweep is told
            return None


def _ended(planned: Sequence[tuple[str, TrainSpec]], complete: Mapping[str, TrialRun]) -> list[TrialRun]:
    """The runs of those trainings that are complete, in their order."""
    return [complete[key] for key, _ in planned if key in complete]
