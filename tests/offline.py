"""`python -m tests.offline PACKAGES WORDS...`: the command line as it runs where PACKAGES are not installed."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

from resablate.commands import cli


class Without:
    """The finder of modules on the path, which finds nothing of some packages."""

    def __init__(self, packages: set[str]) -> None:
        self._packages = packages

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return None if name.partition(".")[0] in self._packages else PathFinder.find_spec(name, path, target)


def installed() -> list[str]:
    """The packages that were loaded from where packages are installed."""
    places = {name.partition(".")[0]: str(getattr(module, "__file__", "")) for name, module in sys.modules.items()}
    return sorted(name for name, place in places.items() if "site-packages" in place)


if __name__ == "__main__":
    missing = set(sys.argv[1].split(","))
    if loaded := missing & {name.partition(".")[0] for name in sys.modules}:
        raise SystemExit(f"loaded by the command line itself: {loaded}")
    sys.meta_path[sys.meta_path.index(PathFinder)] = Without(missing)
    sys.argv = ["resablate", *sys.argv[2:]]
    try:
        cli.main()
    finally:
        print("loaded:", *installed())
