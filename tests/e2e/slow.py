"""Sweeps whose trials take seconds, so that something can happen meanwhile."""

from collections.abc import Mapping
from typing import Any

SLOW: Mapping[str, Any] = {
    "batch_size": 16,
    "fields": {"dataset.train_examples": 1400},
    "analyses": {"lesion": {}},
}
"""What `tiny_sweep` is given besides."""
