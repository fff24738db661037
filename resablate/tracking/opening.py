"""From an address to a tracker."""

from resablate.storage.locations import records_folder, tracking_uri
from resablate.tracking.folder_tracker import FolderTracker
from resablate.tracking.memory_tracker import MemoryTracker
from resablate.tracking.mlflow_tracker import MlflowTracker
from resablate.tracking.tracker import Tracker

MEMORY = "memory:"


def open_tracker(uri: str | None = None) -> Tracker:
    """The tracker at an address; nothing is written there before the first sweep is started.

    Args:
        uri: `memory:`, `folder:FOLDER`, `sqlite:///FILE` or `http(s)://HOST:PORT`; where None,
            `$MLFLOW_TRACKING_URI`, else `mlflow.db` in the home folder.

    Raises:
        TrackingError: if nothing of the kind can be there, or the server does not answer.
    """
    place = tracking_uri(uri)
    if place == MEMORY:
        return MemoryTracker()
    folder = records_folder(place)
    return MlflowTracker(place) if folder is None else FolderTracker(folder)
