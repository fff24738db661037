"""The MLflow server of `make cluster`, with passwords, on PostgreSQL or on sqlite, without Ray."""

import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from resablate.local_cluster.cluster import SERVICES
from resablate.local_cluster.service import start, stop
from resablate.local_cluster.settings import MLFLOW_PASSWORD, MLFLOW_USER, Settings


@contextmanager
def served(database: str = "PostgreSQL", *, without: Collection[str] = ()) -> Iterator[Settings]:
    """A server with passwords, whose address and password are in the environment.

    Args:
        database: PostgreSQL or sqlite.
        without: variables of the server's environment that are left out.
    """
    with tempfile.TemporaryDirectory(prefix="resablate-load-") as made:
        folder = Path(made)
        folder.chmod(0o755)  # PostgreSQL's user has to get there
        settings = Settings(folder, kept=[])
        names, mlflow = ["postgres", "mlflow"], SERVICES["mlflow"](settings)
        if database == "sqlite":
            auth = (folder / "auth.ini").read_text()
            url = next(line.partition(" = ")[2] for line in auth.splitlines() if line.startswith("database_uri"))
            (folder / "auth.ini").write_text(auth.replace(url, f"sqlite:///{folder / 'auth.db'}"))
            place = {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder / 'mlflow.db'}"}
            names, mlflow = ["mlflow"], replace(mlflow, environment={**mlflow.environment, **place})
        kept = {name: value for name, value in mlflow.environment.items() if name not in without}
        mlflow = replace(mlflow, environment=kept)
        before = dict(os.environ)
        try:
            for name in names:
                start(mlflow if name == "mlflow" else SERVICES[name](settings), folder / "processes")
            os.environ.update(
                MLFLOW_TRACKING_URI=settings.mlflow,
                MLFLOW_TRACKING_USERNAME=MLFLOW_USER,
                MLFLOW_TRACKING_PASSWORD=settings.secret(MLFLOW_PASSWORD),
            )
            yield settings
        finally:
            for name in reversed(names):
                stop(name, folder / "processes")
            os.environ.clear()
            os.environ.update(before)
