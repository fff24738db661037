"""Comparing a member of a pack with the same training alone."""

from resablate.training import Training


def largest_gap(member: Training, alone: Training) -> float:
    """The largest difference of the weights, statistics, optimizer's state and history, in parts of 1 or of the number.

    Raises:
        AssertionError: if they do not keep the same things.
    """
    ours, theirs = member.tensors(), alone.tensors()
    assert {name: (value.dtype, value.shape) for name, value in ours.items()} == {
        name: (value.dtype, value.shape) for name, value in theirs.items()
    }
    gaps = [float((ours[name].double() - theirs[name].double()).abs().max()) for name in ours]
    sizes = [max(1.0, float(theirs[name].double().abs().max())) for name in ours]
    parts = [gap / size for gap, size in zip(gaps, sizes, strict=True)]
    for mine, other in zip(member.history, alone.history, strict=True):
        assert (mine.epoch, mine.learning_rate) == (other.epoch, other.learning_rate)
        assert (mine.train_error, mine.val_error) == (other.train_error, other.val_error)
        parts += [abs(mine.train_loss - other.train_loss), abs(mine.val_loss - other.val_loss)]
    return max(parts)
