"""A cluster of real processes on this machine: PostgreSQL, an MLflow server and Ray on three nodes.

`make cluster` runs `python -m resablate.local_cluster up`, `make cluster-down` the same with `down`.
"""

from resablate.local_cluster.cluster import LocalCluster

__all__ = ["LocalCluster"]
