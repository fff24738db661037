"""Where a sweep that is called by name lies."""

from __future__ import annotations

from pathlib import Path

from resablate.errors import SpecError, nearest

SUFFIXES = (".yaml", ".yml")
_HERE = Path(__file__).resolve().parent


def find_sweep(given: str) -> Path:
    """The file of a sweep: a path, or the name of a file in `sweeps/` or among those that come with the package.

    Args:
        given: `my/sweep.yaml`, or `he_table1`.

    Raises:
        SpecError: if it is a name that no file has.
    """
    path = Path(given)
    if path.suffix in SUFFIXES or path.exists() or path.name != given:
        return path
    folders = [Path("sweeps"), *_shipped()]
    for folder in folders:
        for suffix in SUFFIXES:
            if (named := folder / f"{given}{suffix}").is_file():
                return named
    known = sorted({file.stem for folder in folders for file in folder.glob("*.y*ml")})
    raise SpecError(
        f"{given}: no such file, nor a sweep of that name{nearest(given, known)}; known: {', '.join(known) or 'none'}"
    )


def _shipped() -> list[Path]:
    """The folder of the sweeps of the papers: in the installed package, or beside it in a checkout."""
    return [folder for folder in (_HERE / "sweeps", _HERE.parent / "sweeps") if folder.is_dir()]
