"""How fast things are on a CPU, against how they were published, are usually written, or were written before.

    python -m tests.benchmarks.cpu [NAME ...]

runs the comparisons (all but the quickstart where none is named), and writes reports/benchmarks/cpu.md, as `make bench`
does. Every row is kept as soon as it is measured, and comparisons that were done when a run was cut off are not run
again by the next. A comparison that is not run keeps the figures it had.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from resablate.training import thread_count
from tests.benchmarks import cifar_start, lesions, packs, paths, predictions, quickstart, regions, spectra, step
from tests.benchmarks.measuring import FOLDER, Bound, Row, machine

PAGE, FIGURES, UNFINISHED = "cpu.md", "cpu.json", "cpu.unfinished.jsonl"
THREADS = 2
Kept = dict[str, dict[str, Any]]
"""Comparison -> the machine it was taken on, and its rows."""

COMPARISONS: dict[str, Callable[[], Iterable[Row | Bound]]] = {
    "cifar_start": cifar_start.rows,
    "step": step.rows,
    "packs": packs.rows,
    "regions": regions.rows,
    "lesions56": partial(lesions.single_lesions, depth=56, exact=1.9, folded=1.9),
    "lesions110": partial(lesions.single_lesions, depth=110, exact=2.4, folded=3.0),
    "nested_sets": lambda: [lesions.nested_sets()],
    "paths": paths.rows,
    "spectrum": spectra.whole_network_spectrum,
    "procrustes": spectra.procrustes_step,
    "memory": lesions.memory,
    "predictions": predictions.rows,
    "quickstart": quickstart.rows,
}
BY_NAME_ALONE = {"quickstart"}
"""What is not run where nothing is named: it takes longer than all others together."""
IN_SHORT = {
    "start of a CIFAR-10 training": "start of a CIFAR-10 training, against a float copy of the images",
    "training step of ResNet-20, batch 128, 2 threads, memory": "a step in `channels_last`, against a usual loop",
    "a pack of 4: ResNet-20 of width 8 on 8x8": "four narrow ResNet-20 as one pack, against one after the other",
    "54 single lesions, ResNet-110, batch 128, exact": "54 lesions of one block, bit for bit, against 54 evaluations",
    "54 single lesions, ResNet-110, batch 128, folded": "the same with batch norm folded into the weights",
    "gradients of all 2^54 paths": "gradients of all 2^54 paths of ResNet-110, against one sampled path of each length",
    "all singular values of ResNet-110": "all singular values of ResNet-110, against FFT and SVD of every frequency",
    "one projection of ProcResNet-166": "a Procrustes step of ProcResNet-166, against its authors' code",
}
"""Beginning of a row -> what the README calls it."""


def main(arguments: Sequence[str] | None = None, *, folder: Path = FOLDER) -> None:
    """Run what is named and write the page."""
    parser = argparse.ArgumentParser(description="Time things on a CPU against their baselines.")
    parser.add_argument("names", nargs="*", choices=[*COMPARISONS, []], metavar="NAME", help=", ".join(COMPARISONS))
    names = parser.parse_args(arguments).names or [name for name in COMPARISONS if name not in BY_NAME_ALONE]
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name not in _finished(folder):
            _measure(name, folder)
    kept = _kept(folder)
    (folder / FIGURES).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    (folder / UNFINISHED).unlink(missing_ok=True)


def _measure(name: str, folder: Path) -> None:
    """Run one comparison; every row is written, and the page anew, as soon as it is known."""
    with thread_count(THREADS):
        for row in COMPARISONS[name]():
            _append(folder, {"name": name, "machine": machine(), "row": asdict(row)})
            (folder / PAGE).write_text(render(_kept(folder)), encoding="utf-8")
            print(_line(asdict(row)), flush=True)
    _append(folder, {"name": name, "finished": True})


def _append(folder: Path, line: dict[str, Any]) -> None:
    with (folder / UNFINISHED).open("a", encoding="utf-8") as file:
        file.write(f"\n{json.dumps(line)}\n")  # after the line that a machine may have stopped in


def _lines(folder: Path) -> list[dict[str, Any]]:
    """What an unfinished run has written; lines may have been cut off."""
    found: list[dict[str, Any]] = []
    if (folder / UNFINISHED).is_file():
        for text in (folder / UNFINISHED).read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(text))
            except ValueError:
                continue
    return found


def _finished(folder: Path) -> set[str]:
    return {line["name"] for line in _lines(folder) if line.get("finished")}


def _kept(folder: Path) -> Kept:
    """The figures of earlier runs, with what the present one has measured in their place."""
    earlier: Kept = {}
    if (folder / FIGURES).is_file():
        earlier = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
    now: Kept = {}
    for line in _lines(folder):
        if "row" in line:
            part = now.setdefault(line["name"], {"rows": []})
            part["machine"] = line["machine"]
            # A comparison that was cut off starts again.
            part["rows"] = [row for row in part["rows"] if row["what"] != line["row"]["what"]] + [line["row"]]
    merged = earlier | now
    return {name: merged[name] for name in COMPARISONS if name in merged}


def render(kept: Kept) -> str:
    """The page."""
    lines = [
        "# Speed and memory on a CPU",
        "",
        "Written by `make bench`, and by `python -m tests.benchmarks.cpu NAME` for single comparisons, the quickstart",
        "among them; the figures are in `cpu.json` beside it. Both sides of a comparison run in turn, in three rounds",
        "or more, and the least time of each counts: the machine is shared, so the ratios are what carries over. They",
        "are of wall time and, after the stroke, of the processor time of all threads, where it was taken. Each",
        "comparison also checks that both sides give the same numbers.",
        "",
        "| what | baseline | baseline (s) | here (s) | times faster | asked |",
        "|---|---|---:|---:|---:|---:|",
    ]
    lines += [_line(row) for part in kept.values() for row in part["rows"] if "asked" in row]
    lines += ["", "| what | measured | allowed |", "|---|---:|---:|"]
    lines += [_line(row) for part in kept.values() for row in part["rows"] if "allowed" in row]
    lines += ["", "| comparison | taken on |", "|---|---|"]
    lines += [f"| {name} | {part['machine']} |" for name, part in kept.items()]
    return "\n".join(lines) + "\n"


def render_short(kept: Kept) -> str:
    """The README's table."""
    rows = [row for part in kept.values() for row in part["rows"] if "asked" in row]
    lines = ["| on two CPU cores | times faster |", "|---|---:|"]
    for start, words in IN_SHORT.items():
        (ratio,) = (row["baseline_seconds"] / row["ours_seconds"] for row in rows if row["what"].startswith(start))
        lines.append(f"| {words} | {float(f'{ratio:.2g}'):,g} |")
    return "\n".join(lines) + "\n"


def _line(row: dict[str, Any]) -> str:
    if "allowed" in row:
        return f"| {row['what']} | {row['value']:.3g} {row['unit']} | {row['allowed']:.3g} {row['unit']} |"
    baseline, ours = row["baseline_seconds"], row["ours_seconds"]
    ratio = f"{baseline / ours:.3g}"
    if row.get("ours_cpu_seconds"):
        ratio += f" / {row['baseline_cpu_seconds'] / row['ours_cpu_seconds']:.3g}"
    return f"| {row['what']} | {row['baseline']} | {baseline:.3g} | {ours:.3g} | {ratio} | {row['asked']:g} |"


if __name__ == "__main__":
    main()
