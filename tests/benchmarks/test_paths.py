"""The comparison runs, on a network too small to be worth timing."""

from tests.benchmarks import paths


def test_the_walk_is_compared_on_equal_gradients() -> None:
    row = paths.walk(depth=8, batch=2, asked=1)
    assert row.what == "gradients of all 2^3 paths by length, ResNet-8, batch 2"
    assert row.ratio > 0
