"""Sweep files made to harm: one clear error within a second and little memory, or the value that YAML 1.2 has."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from resablate.commands import cli
from resablate.errors import SpecError
from resablate.strict_yaml import MAX_BYTES, dump_yaml, parse_yaml
from resablate.sweep import load_sweep, parse_sweep

HEAD = "name: x\n"


def _laughs(*, merge: bool) -> str:
    """Ten to the tenth values in ten lines."""
    lines = ["a0: &a0 " + ("{k0: 1}" if merge else "[ha]")]
    for level in range(1, 11):
        names = ", ".join(f"*a{level - 1}" for _ in range(10))
        lines.append(f"a{level}: &a{level} " + (f"{{<<: [{names}], k{level}: 1}}" if merge else f"[{names}]"))
    return "\n".join(lines) + "\n"


HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "aliases that laugh": (HEAD + _laughs(merge=False), r"line 6, .*more than 10000 values, aliases written out"),
    "merge keys that laugh": (HEAD + _laughs(merge=True), r"more than 10000 values, aliases written out"),
    "a text repeated": (
        HEAD + f"a: &a {'x' * 200_000}\naxes: {{seed: [{'*a, ' * 10_000}]}}\n",
        r"more than 10000 values",
    ),
    "an alias in itself": (HEAD + "axes: &a {seed: [*a]}\n", r"recursive: \*a stands inside &a"),
    "a hexadecimal number": (HEAD + f"base: {{depth: 0x{'f' * 100_000}}}\n", r"a number of 100002 characters"),
    "a decimal number": (HEAD + f"base: {{depth: {'9' * 100_000}}}\n", r"a number of 100000 characters"),
    "a float": (HEAD + f"base: {{learning_rate: 0.{'9' * 100_000}}}\n", r"a number of 100002 characters"),
    "sexagesimals": (HEAD + "base: {epochs: 1:30}\n", r"base\.epochs: .*integer.*got '1:30'"),
    "a long sexagesimal": (HEAD + f"base: {{epochs: 1{':59' * 30_000}}}\n", r"base\.epochs: .*more characters"),
    "deep lists": (HEAD + "axes: " + "[" * 100_000, r"nested too deeply, more than 32 levels"),
    "deep mappings": (HEAD + "axes: " + "{a: " * 60_000, r"nested too deeply"),
    "deep blocks": (HEAD + "axes:\n" + "- " * 100_000, r"nested too deeply"),
    "deep keys": (HEAD + "? " * 100_000, r"nested too deeply"),
    "a huge file": (HEAD + f"question: {'x' * MAX_BYTES}\n", r"larger than 256 KiB"),
    "many values": (HEAD + f"axes: {{seed: [{'1,' * 60_000}]}}\n", r"more than 10000 values"),
    "many mistakes": (HEAD + "base:\n" + "".join(f"  depht{n}: 1\n" for n in range(4500)), r"and 4400 more"),
    "many mistakes outside": (HEAD + "".join(f"nmae{n}: 1\n" for n in range(4500)), r"and 4400 more"),
    "a key twice": (HEAD + "base: {depth: 20, depth: 26}\n", r"line 2, column 19: .*'depth' is written twice"),
    "a tag": (HEAD + "base: !!python/object/apply:os.getcwd []\n", r"could not determine a constructor for the tag"),
    "a set": (HEAD + "base: !!set {a, b}\n", r"could not determine a constructor for the tag"),
    "a tag that lies": (HEAD + "base: {depth: !!int x}\n", r"'x' is no int"),
    "a NUL": (HEAD + "question: a\0b\n", r"line 2, column 12: .*unacceptable character '\\x00'"),
    "a control character": (HEAD + "question: \x1b[2J\n", r"unacceptable character '\\x1b'"),
    "an escaped control character": (HEAD + 'base: {"\\x1b[2J": 1}\n', r"the character '\\x1b' in a text"),
    "half a character": (HEAD + 'question: "\\ud800"\n', r"the character '\\ud800' in a text"),
    "an escape of no character": (HEAD + 'question: "\\UFFFFFFFF"\n', r"an escape sequence out of range"),
    "a version": (f"%YAML 1.{'9' * 5000}\n---\n{HEAD}", r"a version or an escape sequence out of range"),
    "latin-1": (HEAD.encode() + "question: é\n".encode("latin-1"), r"not readable as a text file"),
    "utf-16": ((HEAD + "question: é\n").encode("utf-16"), r"not readable as a text file"),
    "two documents": (HEAD + "---\n" + HEAD, r"expected a single document in the stream"),
}
SECONDS = 2.0
"""Of the processor's time: the slowest of them takes half of it."""
MEMORY_BYTES = 200 * 2**20


def _write(folder: Path, content: str | bytes) -> Path:
    file = folder / "hostile.yaml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_one_clear_error_within_seconds(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content, pattern = HOSTILE[kind]
    file = _write(tmp_path, content)
    began = time.process_time()
    with pytest.raises(SpecError, match=pattern):
        load_sweep(file)
    assert time.process_time() - began < SECONDS
    monkeypatch.setattr("sys.argv", ["resablate", "check", str(file)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert len(said) < 100_000
    assert "\x1b" not in said


def test_no_hostile_file_takes_much_memory(tmp_path: Path) -> None:
    """All of them in one process, which may have so much more than it began with."""
    for number, (content, _) in enumerate(HOSTILE.values()):
        (tmp_path / str(number)).mkdir()
        _write(tmp_path / str(number), content)
    code = (
        "import pathlib, resource, sys\n"
        "from resablate.errors import SpecError\n"
        "from resablate.sweep import load_sweep\n"
        "load_sweep(sys.argv[2])\n"
        "used = int(pathlib.Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()\n"
        f"resource.setrlimit(resource.RLIMIT_AS, (used + {MEMORY_BYTES},) * 2)\n"
        "for file in sorted(pathlib.Path(sys.argv[1]).rglob('hostile.yaml')):\n"
        "    try:\n"
        "        load_sweep(file)\n"
        "    except SpecError:\n"
        "        print(file)\n"
    )
    good = tmp_path / "good.yaml"
    good.write_text(HEAD)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(good)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == len(HOSTILE)


def test_a_device_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(SpecError, match="larger than 256 KiB"):
        load_sweep("/dev/zero")


CORE: dict[str, Any] = {
    "010": 10,
    "+012": 12,
    "-08": -8,
    "0o17": 15,
    "0x1F": 31,
    "1:30": "1:30",
    "0b11": "0b11",
    "1_000": "1_000",
    "1e-3": 1e-3,
    "1E3": 1e3,
    ".5": 0.5,
    "5.": 5.0,
    "-.inf": float("-inf"),
    ".INF": float("inf"),
    "1e": "1e",
    "true": True,
    "False": False,
    "yes": "yes",
    "on": "on",
    "y": "y",
    "NO": "NO",
    "null": None,
    "~": None,
    "": None,
    "2026-01-01": "2026-01-01",
    "2020-13-45": "2020-13-45",
    "=": "=",
    "!!str 010": "010",
    "!!int '010'": 10,
    "'010'": "010",
    "!!float 1": 1.0,
    "\ufeff7": 7,
}
"""Source: YAML 1.2.2, section 10.3.2."""


@pytest.mark.parametrize("text", CORE)
def test_a_value_is_that_of_the_core_schema(text: str) -> None:
    found = parse_yaml(text, place="")
    assert (found, type(found)) == (CORE[text], type(CORE[text]))


def test_leading_zeros_are_decimal_wherever_a_value_is_written(tmp_path: Path) -> None:
    file = _write(tmp_path, HEAD + "axes:\n  seed: [008, 009, 010, 011]\n")
    assert load_sweep(file).axes["seed"] == (8, 9, 10, 11)


@pytest.mark.parametrize(
    ("word", "pattern"),
    [
        ("epochs=1:30", r"epochs: .*integer.*'1:30'"),
        (f"seed=0x{'f' * 100_000}", r"the value is no YAML \(line 1, column 1: .*a number of 100002 characters"),
        ("shortcut=" + "[" * 50_000, r"the value is no YAML .*nested too deeply"),
        ("seed=[&a 1, *b]", r"the value is no YAML .*undefined alias"),
        ("seed={a: 1, a: 2}", r"the value is no YAML .*'a' is written twice"),
        ('shortcut="\\x1b[2J"', r"the value is no YAML .*'\\x1b' in a text"),
    ],
    ids=lambda word: word[:12],
)
def test_a_hostile_word_is_one_clear_error(
    word: str, pattern: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["resablate", "trial", word])
    began = time.process_time()
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert time.process_time() - began < SECONDS
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert re.search(pattern, said), said[-500:]
    assert len(said) < 5000


@pytest.mark.parametrize("text", [*(text for text in CORE if isinstance(CORE[text], int | float)), *CORE, "1e5", "0o7"])
def test_a_text_that_is_dumped_is_read_as_that_text(text: str) -> None:
    """By readers of both versions: reports and plans are sweep files that people run again."""
    dumped = dump_yaml({"name": "x", "question": text, "values": [text, 1, 1e-05, None, True]})
    for read in (yaml.safe_load(dumped), parse_yaml(dumped, place="")):
        assert read == {"name": "x", "question": text, "values": [text, 1, 1e-05, None, True]}


def test_what_a_sweep_asks_survives_its_own_file() -> None:
    sweep = parse_sweep({"name": "x", "question": "010", "axes": {"learning_rate": [1e-5, 0.1], "seed": [0, 8]}})
    assert parse_sweep(parse_yaml(dump_yaml(sweep.model_dump(mode="json")), place="")) == sweep
    assert json.loads(sweep.model_dump_json())["question"] == "010"
