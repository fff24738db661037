"""The same rate throughout."""


def constant(iteration: int, total: int, *, learning_rate: float) -> float:
    """Always `learning_rate`."""
    return learning_rate
