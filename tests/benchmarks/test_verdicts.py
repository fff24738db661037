"""The script's tables, in worlds too few to measure anything."""

import re

import numpy as np
import pytest

from resablate.statistics import plan_rounds
from tests.benchmarks import verdicts
from tests.benchmarks.verdict_rounds import best_of, rounds_of_worlds
from tests.benchmarks.verdict_worlds import Classifier, chunks, correlated, draw_of, percent


@pytest.mark.parametrize("title", ["The published differences", "Equivalence at the margin", "The plan from a pilot"])
def test_tables_are_whole(title: str) -> None:
    table = next(table for name, table, _ in verdicts.TABLES if name == title)
    header, rows = table(10)
    assert rows
    assert all(len(row) == len(header) for row in rows)


def test_rounds_and_false_decisions_are_counted() -> None:
    generator = np.random.default_rng(0)
    false = verdicts._false_in_settings(generator, 50, rivals=2, settings=2, seeds=1)
    assert false.shape == (50,)
    assert not false.any()
    found = rounds_of_worlds([6.61, 60.0, 70.0], best_of(3), plan_rounds(4), worlds=20)
    assert {world.verdicts["best"] for world in found} == {"supported"}
    assert min(world.trainings for world in found) == 6
    assert verdicts._decided_falsely(found) == 1.0


def test_worlds_have_the_truth_that_they_say() -> None:
    generator = np.random.default_rng(1)
    for kind in ("normal", "heavy"):
        network = Classifier(0.07, 0.5, kind)
        hardness = 2 * generator.standard_normal((300, 1, 200), dtype=np.float32)
        cell = network.outcomes(hardness, 4, draw_of(kind, generator), generator)
        # The sd over 60,000 examples and 1,200 seeds is 0.003.
        assert float(cell.numbers.mean()) == pytest.approx(network.truth, abs=0.012)
    one, other = correlated(draw_of("normal", generator), 2_000, 5, 0.9)
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] == pytest.approx(0.9, abs=0.02)
    assert list(chunks(10, each=4)) == [4, 4, 2]
    assert percent(0.5, 100) == "50.0 ± 5.0"


def test_the_committed_report_has_every_table_of_many_worlds() -> None:
    text = verdicts.REPORT.read_text()
    assert [title for title, _, _ in verdicts.TABLES] == re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert f"{verdicts.WORLDS:,} worlds" in text
