"""Start, stop or remove the cluster of this machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from resablate.errors import ResablateError
from resablate.local_cluster.cluster import LocalCluster
from resablate.local_cluster.settings import DEFAULT_FOLDER


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what is asked. Exit code 0: done; 2: it cannot be done here."""
    parser = argparse.ArgumentParser(
        prog="python -m resablate.local_cluster",
        description="PostgreSQL, an MLflow server and Ray on three nodes, as processes of this machine.",
    )
    parser.add_argument("verb", choices=["up", "down", "clean"], help="clean: down, and remove all that was kept")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="where it keeps everything")
    asked = parser.parse_args(arguments)
    cluster = LocalCluster(asked.folder)
    verbs = {"up": cluster.up, "down": cluster.down, "clean": cluster.clean}
    try:
        verbs[asked.verb]()
    except ResablateError as error:
        said = str(error)
    except OSError as error:  # something else is in the place of its folder, or of a file in it
        said = (
            f"{error.filename or asked.folder}: cannot be used ({error.strerror or error}); move it away, or make room"
        )
    else:
        return
    print(said, file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
