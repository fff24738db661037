"""MLflow databases for tests."""

import functools
import tempfile
from pathlib import Path

from resablate.tracking.mlflow_store import MlflowStore


@functools.cache
def _empty_database() -> bytes:
    """MLflow's schema, made once: its migrations take more than a second."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "mlflow.db")
        MlflowStore(f"sqlite:///{file}").client()
        return file.read_bytes()


def make_database(folder: Path) -> str:
    """The address of a new empty database."""
    file = folder / "mlflow.db"
    file.write_bytes(_empty_database())
    return f"sqlite:///{file}"
