"""A sweep of two seeds in MLflow's records."""

from resablate.result import TrialResult
from resablate.sweep import parse_sweep
from resablate.tracking import Tracker, open_tracker

SWEEP = parse_sweep({"name": "seeds", "axes": {"seed": [0, 1]}})
TRIALS = [SWEEP.trial(point) for point in SWEEP.points()]


def started(uri: str) -> Tracker:
    tracker = open_tracker(uri)
    tracker.start_sweep(SWEEP, trials=TRIALS, command="resablate sweep sweeps/<script>.yaml")
    return tracker


def run(tracker: Tracker, result: TrialResult) -> None:
    tracker.start_trial(result.spec)
    for metrics in result.history:
        tracker.log_epoch(result.key, metrics)
    tracker.finish_trial(result, weights={}, figures={})
