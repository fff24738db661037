"""The page of a CPU's figures: rows are kept as soon as they are measured, and a run that was cut off goes on."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.benchmarks import cifar_start, cpu
from tests.benchmarks.measuring import Bound, Row, machine, spent_in_turn

Comparison = Callable[[], Iterator[Row | Bound]]


def row(what: str, ours: float = 1.0) -> Row:
    return Row(what, "another way", 3.0, ours, 2.0)


@pytest.fixture
def comparisons(monkeypatch: pytest.MonkeyPatch) -> dict[str, Comparison]:
    table: dict[str, Comparison] = {}
    monkeypatch.setattr(cpu, "COMPARISONS", table)
    return table


def test_what_takes_longest_is_run_where_it_is_named(tmp_path: Path, comparisons: dict[str, Comparison]) -> None:
    comparisons |= {name: lambda name=name: iter([row(name)]) for name in ("quick", *cpu.BY_NAME_ALONE)}
    cpu.main([], folder=tmp_path)
    assert json.loads((tmp_path / cpu.FIGURES).read_text()).keys() == {"quick"}
    cpu.main([*cpu.BY_NAME_ALONE], folder=tmp_path)
    assert json.loads((tmp_path / cpu.FIGURES).read_text()).keys() == {"quick", "quickstart"}


def test_a_run_that_is_cut_off_goes_on(tmp_path: Path, comparisons: dict[str, Comparison]) -> None:
    ran: list[str] = []

    def quick() -> Iterator[Row | Bound]:
        ran.append("quick")
        yield row("quick")

    def slow() -> Iterator[Row | Bound]:
        ran.append("slow")
        yield row("slow, first", ours=float(len(ran)))
        if ran.count("slow") == 1:
            raise KeyboardInterrupt
        yield Bound("slow, second", 0.25, "s", 0.5)

    comparisons |= {"quick": quick, "slow": slow}
    with pytest.raises(KeyboardInterrupt):
        cpu.main([], folder=tmp_path)
    page = (tmp_path / cpu.PAGE).read_text()
    assert "| quick | another way | 3 | 1 | 3 | 2 |" in page
    assert "| slow, first | another way | 3 | 2 | 1.5 | 2 |" in page
    with (tmp_path / cpu.UNFINISHED).open("a") as file:
        file.write('{"name": "sl')  # as a machine that stops leaves it
    cpu.main([], folder=tmp_path)
    assert ran == ["quick", "slow", "slow"]
    page = (tmp_path / cpu.PAGE).read_text()
    assert page.count("| slow, first |") == 1
    assert "| slow, first | another way | 3 | 3 | 1 | 2 |" in page
    assert "| slow, second | 0.25 s | 0.5 s |" in page
    assert not (tmp_path / cpu.UNFINISHED).exists()
    assert json.loads((tmp_path / cpu.FIGURES).read_text()).keys() == {"quick", "slow"}
    cpu.main(["quick"], folder=tmp_path)
    assert ran == ["quick", "slow", "slow", "quick"]
    assert "slow, second" in (tmp_path / cpu.PAGE).read_text()


def test_the_page_is_that_of_the_figures() -> None:
    kept = json.loads((cpu.FOLDER / cpu.FIGURES).read_text(encoding="utf-8"))
    assert (cpu.FOLDER / cpu.PAGE).read_text(encoding="utf-8") == cpu.render(kept)
    assert kept.keys() <= cpu.COMPARISONS.keys()


def test_least_times_are_taken_in_turn() -> None:
    order: list[str] = []
    spent = spent_in_turn(lambda: order.append("a"), lambda: order.append("b"), rounds=2)
    assert order == ["a", "b", "a", "b"]
    assert all(one.wall > 0 and one.cpu >= 0 for one in spent)


def test_the_machine_is_named() -> None:
    assert "torch" in machine()


def test_a_start_of_cifar_is_measured_on_files_in_the_true_format(tmp_path: Path) -> None:
    cifar_start.write_cifar10(tmp_path, per_batch=60)
    for way in cifar_start.WAYS:
        found = cifar_start.start(way, tmp_path)
        assert found.keys() == {"added_gib", "wall", "cpu", "start_wall", "start_cpu"}
        assert 0 < found["wall"] <= found["start_wall"]


def test_the_readme_has_the_committed_figures() -> None:
    kept = json.loads((cpu.FOLDER / cpu.FIGURES).read_text(encoding="utf-8"))
    readme = (cpu.FOLDER.parents[1] / "README.md").read_text(encoding="utf-8")
    assert cpu.render_short(kept) in readme, "its table is what `render_short` makes of reports/benchmarks/cpu.json"
    assert (cpu.FOLDER / cpu.PAGE).read_text(encoding="utf-8") == cpu.render(kept)
