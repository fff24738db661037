"""Where trials and their results are filed: MLflow, or memory."""

from resablate.storage.locations import home as home
from resablate.storage.locations import tracking_uri as tracking_uri
from resablate.storage.locations import work_folder as work_folder
from resablate.tracking.leases import BEAT_SECONDS as BEAT_SECONDS
from resablate.tracking.leases import Lease as Lease
from resablate.tracking.lost_records import lost_records as lost_records
from resablate.tracking.memory_tracker import MemoryTracker as MemoryTracker
from resablate.tracking.mlflow_examining import MlflowExaminer as MlflowExaminer
from resablate.tracking.mlflow_examining import WrongRecord as WrongRecord
from resablate.tracking.mlflow_tracker import MlflowTracker as MlflowTracker
from resablate.tracking.opening import open_tracker as open_tracker
from resablate.tracking.tracker import SweepRecord as SweepRecord
from resablate.tracking.tracker import SweepStatus as SweepStatus
from resablate.tracking.tracker import Tracker as Tracker
from resablate.tracking.tracker import TrialState as TrialState
from resablate.tracking.ui import UiPages as UiPages
from resablate.tracking.ui import abandoned_ui_folders as abandoned_ui_folders
from resablate.tracking.ui import serve_ui as serve_ui
