"""The rise of the rate before a schedule proper begins."""


def linear_rise(iteration: int, *, steps: int, start: float, end: float) -> float:
    """The rate of step `iteration`, counted from 0, on a line that is at `start` at step 0 and at `end` at `steps`.

    Source: Goyal et al., arXiv 1706.02677, section 2.2, as torch's LinearLR has it.
    """
    return start + (end - start) * iteration / steps


def part_done(iteration: int, total: int, *, warmup_iterations: int) -> float:
    """Which part of the steps behind the warm-up is over before step `iteration`, from 0 to 1."""
    return (iteration - warmup_iterations) / max(1, total - warmup_iterations)
