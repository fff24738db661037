"""Running sweeps: in this process, or on Ray Tune."""

from resablate.scheduling.analyze import StoredTrial as StoredTrial
from resablate.scheduling.analyze import analyze_trials as analyze_trials
from resablate.scheduling.analyze import find_trials as find_trials
from resablate.scheduling.inline import Scheduler as Scheduler
from resablate.scheduling.inline import check_machine as check_machine
from resablate.scheduling.progress import clock as clock
from resablate.scheduling.run import SweepOutcome as SweepOutcome
from resablate.scheduling.run import run_sweep as run_sweep
from resablate.scheduling.searching import preview as preview
from resablate.scheduling.standing import STATES as STATES
from resablate.scheduling.standing import Standing as Standing
from resablate.scheduling.standing import sweep_standing as sweep_standing
from resablate.scheduling.stopping import TERMINATED as TERMINATED
