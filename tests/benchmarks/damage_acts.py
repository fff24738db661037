"""What is done to the files and records of a sweep while nobody looks."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save

from resablate.storage.checkpoint_files import checkpoint_metadata, seal
from resablate.tracking.mlflow_store import KEY, KIND, SCHEMA, SCHEMA_VERSION, STATUS
from tests.benchmarks.fault_acts import Stage, search_plan
from tests.faults.sweeps import runs_of
from tests.faults.test_driver import in_the_middle, killed
from tests.faults.test_outage import loses_its_server

UNKNOWN = {"luck": 1}
Rows = list[dict[str, Any]]


def _checkpoint(damage: Callable[[Path, random.Random], None]) -> Callable[[Stage], None]:
    """Killed, and something is done to the newest checkpoint."""

    def disturb(stage: Stage) -> None:
        sweep = stage.sweep()
        killed(sweep)
        damage(max(sweep.folder.rglob("checkpoint-*.safetensors")), stage.chance)

    return disturb


def cut_off(file: Path, chance: random.Random) -> None:
    """Anywhere."""
    os.truncate(file, chance.randrange(file.stat().st_size))


def change_bit(file: Path, chance: random.Random) -> None:
    """One, wherever it is."""
    content = bytearray(file.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    file.write_bytes(content)


def replace_by_folder(file: Path, chance: random.Random) -> None:
    """A folder lies where the file lay."""
    file.unlink()
    file.mkdir()


def _history(change: Callable[[Rows], Rows]) -> Callable[[Path, random.Random], None]:
    """Another history in a checkpoint that is sealed again, so that only what it says is wrong."""

    def damage(file: Path, chance: random.Random) -> None:
        with safe_open(file, framework="pt") as opened:
            said = opened.metadata()
        metadata = checkpoint_metadata(said["key"], [], json.loads(said["files"]))
        metadata["history"] = json.dumps(change(json.loads(said["history"])))
        file.write_bytes(seal(save(load_file(file), metadata)))

    return damage


def _measurements(damage: Callable[[Path, random.Random], object]) -> Callable[[Stage], None]:
    """Killed, and something is done to every file of an epoch's measurements that waits for its trial's end."""

    def disturb(stage: Stage) -> None:
        sweep = stage.sweep()
        killed(sweep)
        files = list(sweep.folder.glob(".resablate/*/trials/*/analyses-*.json"))
        assert files
        for file in files:
            damage(file, stage.chance)

    return disturb


def result_damaged(stage: Stage) -> None:
    """A bit of one filed result is changed."""
    sweep = stage.sweep()
    sweep.run()
    change_bit(stage.chance.choice(_filed(stage)), stage.chance)


def result_swapped(stage: Stage) -> None:
    """One filed result is written over another."""
    stage.sweep().run()
    one, other = stage.chance.sample(_filed(stage), 2)
    shutil.copy(one, other)


def _filed(stage: Stage) -> list[Path]:
    return sorted(stage.folder.rglob("mlartifacts/**/result.json"))


def list_cut_off(stage: Stage) -> None:
    """Killed in the middle, and the list cut: it is told what there is, and the search goes on."""
    sweep = stage.sweep(search_plan())
    sweep.start()
    in_the_middle(sweep)
    sweep.kill()
    sweep.ended()
    files = list(stage.folder.rglob("mlartifacts/**/trials*.json"))
    assert files
    for file in files:
        cut_off(file, stage.chance)
    for words in (["status", "tiny"], ["report", "tiny"]):
        command = [sys.executable, "-m", "resablate", *words, "--tracking-uri", sweep.uri]
        told = subprocess.run(command, check=False, cwd=sweep.folder, capture_output=True, text=True)
        assert told.returncode == 0 and "Traceback" not in told.stderr, told


def spool_damaged(stage: Stage) -> None:
    """The server is away until the sweep has ended; what waits for it is damaged."""
    server = stage.server()
    sweep = stage.sweep(uri=server.uri)
    loses_its_server(sweep, server)
    sweep.ended()
    files = sorted(sweep.folder.glob(".resablate/*/spool/*/*"))
    change_bit(stage.chance.choice(files), stage.chance)
    server.start()


def database_emptied(stage: Stage) -> None:
    """The next submission says so before it trains again."""
    sweep = stage.sweep()
    sweep.run()
    (stage.folder / "mlflow.db").write_bytes(b"")
    sweep.run()
    assert "no trial counts as trained" in sweep.said(), sweep.said()


def foreign_run(stage: Stage) -> None:
    """Somebody's run lies in the sweep's experiment, with tags of a complete trial and no result."""
    from mlflow import MlflowClient

    sweep = stage.sweep()
    killed(sweep)
    client = MlflowClient(tracking_uri=sweep.uri)
    place = runs_of(sweep.uri)[0].info.experiment_id
    tags = {SCHEMA: SCHEMA_VERSION, KIND: "trial", KEY: sweep.plan.trials[-1].key, STATUS: "finished"}
    for given in ({}, tags):
        client.set_terminated(client.create_run(place, tags=given).info.run_id)


ACTS: Mapping[str, Callable[[Stage], None]] = {
    "killed, newest checkpoint cut off": _checkpoint(cut_off),
    "killed, a bit of the newest checkpoint changed": _checkpoint(change_bit),
    "killed, a folder in the newest checkpoint's place": _checkpoint(replace_by_folder),
    "killed, the newest checkpoint's history a row short": _checkpoint(_history(lambda rows: rows[:-1])),
    "killed, the newest checkpoint's history empty": _checkpoint(_history(lambda rows: [])),
    "killed, an unknown field in the newest checkpoint": _checkpoint(_history(lambda rows: [*rows[:-1], UNKNOWN])),
    "killed, measurements of an epoch damaged": _measurements(change_bit),
    "killed, measurements of an epoch missing": _measurements(lambda file, chance: file.unlink()),
    "killed, an unknown field in measurements of an epoch": _measurements(
        lambda file, chance: file.write_text(json.dumps([UNKNOWN]))
    ),
    "a bit of a filed result changed": result_damaged,
    "a filed result over another": result_swapped,
    "a search's list of trials cut off": list_cut_off,
    "a bit of what waits for the server changed": spool_damaged,
    "database emptied": database_emptied,
    "runs of others with the tags of a complete trial": foreign_run,
}
"""Name -> the act, which runs the sweep through it; what has not ended by then is submitted again."""
