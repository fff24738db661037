"""What a sweep asks, in a sentence."""

from __future__ import annotations

from resablate.sweep import SweepSpec


def sweep_question(sweep: SweepSpec) -> str:
    """What the sweep asks, in its own words or made from its axes."""
    if sweep.question:
        return sweep.question
    axes = [name for name in sweep.swept if name != "seed"]
    if not axes:
        return "How large is the test error of one kind of network?"
    listed = axes[0] if len(axes) == 1 else f"{', '.join(axes[:-1])} and {axes[-1]}"
    return f"What does the test error do when {listed} change{'s' if len(axes) == 1 else ''}?"
