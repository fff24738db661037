"""Replicates differ in their seed alone, whatever they are results of."""

import subprocess
import sys
from dataclasses import dataclass

from resablate.spec import TrainSpec
from resablate.statistics.replicates import cells


@dataclass(frozen=True)
class Spec:
    cell: str
    seed: int


@dataclass(frozen=True)
class Result:
    spec: Spec
    number: int = 0


@dataclass(frozen=True)
class Trained:
    spec: TrainSpec


def test_cells_come_in_the_order_of_their_first_result_and_hold_theirs_by_seed() -> None:
    results = [Result(Spec(cell, seed)) for cell, seed in (("b", 2), ("a", 0), ("b", 0), ("a", 1), ("b", 1))]
    first, second = cells(results)
    assert (first.key, first.seeds) == ("b", (0, 1, 2))
    assert (second.key, second.seeds) == ("a", (0, 1))
    assert first.results == (results[2], results[4], results[0])


def test_nothing_has_no_cells() -> None:
    assert cells([]) == []


def test_results_of_one_seed_keep_their_order_and_none_is_lost() -> None:
    results = [Result(Spec("a", 0), number) for number in range(3)]
    [cell] = cells(iter(results))
    assert [result.number for result in cell.results] == [0, 1, 2]


def test_trainings_that_differ_in_anything_but_the_seed_are_no_replicates() -> None:
    fields = [
        {},
        {"depth": 26},
        {"shortcut": {"name": "exclusive_gate", "bias": -6}},
        {"shortcut": {"name": "exclusive_gate", "bias": -3}},
        {"optimizer.weight_decay": 0.5},
    ]
    trained = [Trained(TrainSpec.parse({**one, "seed": seed})) for seed in (3, 0) for one in fields]
    found = cells(trained)
    assert [cell.seeds for cell in found] == [(0, 3)] * len(fields)
    assert [cell.results[0].spec for cell in found] == [TrainSpec.parse(one) for one in fields]


def test_a_default_that_is_written_out_makes_no_other_cell() -> None:
    [cell] = cells([Trained(TrainSpec.parse({"width": 16, "seed": 1})), Trained(TrainSpec())])
    assert cell.seeds == (0, 1)


def test_the_cell_of_a_result_is_read_once() -> None:
    read: list[int] = []

    class Counted(Spec):
        """Hashing a spec takes most of the time."""

        def __getattribute__(self, name: str) -> object:
            if name == "cell":
                read.append(1)
            return super().__getattribute__(name)

    cells([Result(Counted(str(number // 3), number % 3)) for number in range(300)])
    assert len(read) == 300


def test_it_needs_none_of_the_large_packages() -> None:
    heavy = ["torch", "pandas", "pydantic", "ray", "mlflow", "optuna", "matplotlib"]
    code = f"import sys, resablate.statistics.replicates; print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
