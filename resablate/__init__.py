"""Ablation sweeps for deep residual networks: train, dissect, compare with the papers.

As a library: build or train a network, put questions to it, get data frames.

    from resablate import Examples, build_network, lesion, load_dataset

What is raised on purpose is a `ResablateError`; its kinds are below and in `resablate.errors`, and every function says
which.

The names below are imported when they are first used, so that a sweep can be read without torch, and networks can be
dissected where ray, mlflow and pydantic are not installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resablate.adapters import adapt, load_pretrained
    from resablate.analyses import (
        block_spans,
        branch_ablation,
        lesion,
        linear_spectrum,
        multi_lesion,
        norm_preservation,
        path_count,
        path_gradient,
        reorder,
        saliency,
        spectrum,
        test_time_rules,
    )
    from resablate.component import Component
    from resablate.datasets import Examples, load_dataset
    from resablate.errors import AnalysisError, CheckpointError, DatasetError, ResablateError, SpecError
    from resablate.measurement import AnalysisResult
    from resablate.model import (
        Block,
        ResidualNetwork,
        Route,
        build_network,
        gradients_by_length,
        path_gradients,
    )
    from resablate.question import Question
    from resablate.result import TrialResult
    from resablate.shortcuts import Addends
    from resablate.spec import TrainSpec
    from resablate.sweep import SweepSpec, load_sweep
    from resablate.training import evaluate, load_weights
    from resablate.trial import Trial, run_trial

__all__ = [
    "Addends",
    "AnalysisError",
    "AnalysisResult",
    "Block",
    "CheckpointError",
    "Component",
    "DatasetError",
    "Examples",
    "Question",
    "ResablateError",
    "ResidualNetwork",
    "Route",
    "SpecError",
    "SweepSpec",
    "TrainSpec",
    "Trial",
    "TrialResult",
    "adapt",
    "block_spans",
    "branch_ablation",
    "build_network",
    "evaluate",
    "gradients_by_length",
    "lesion",
    "linear_spectrum",
    "load_dataset",
    "load_pretrained",
    "load_sweep",
    "load_weights",
    "multi_lesion",
    "norm_preservation",
    "path_count",
    "path_gradient",
    "path_gradients",
    "reorder",
    "run_trial",
    "saliency",
    "spectrum",
    "test_time_rules",
]

_HOMES = {
    "resablate.adapters": ("adapt", "load_pretrained"),
    "resablate.analyses": (
        "block_spans",
        "branch_ablation",
        "lesion",
        "linear_spectrum",
        "multi_lesion",
        "norm_preservation",
        "path_count",
        "path_gradient",
        "reorder",
        "saliency",
        "spectrum",
        "test_time_rules",
    ),
    "resablate.component": ("Component",),
    "resablate.datasets": ("Examples", "load_dataset"),
    "resablate.errors": ("AnalysisError", "CheckpointError", "DatasetError", "ResablateError", "SpecError"),
    "resablate.measurement": ("AnalysisResult",),
    "resablate.model": (
        "Block",
        "ResidualNetwork",
        "Route",
        "build_network",
        "gradients_by_length",
        "path_gradients",
    ),
    "resablate.question": ("Question",),
    "resablate.result": ("TrialResult",),
    "resablate.shortcuts": ("Addends",),
    "resablate.spec": ("TrainSpec",),
    "resablate.sweep": ("SweepSpec", "load_sweep"),
    "resablate.training": ("evaluate", "load_weights"),
    "resablate.trial": ("Trial", "run_trial"),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'resablate' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
