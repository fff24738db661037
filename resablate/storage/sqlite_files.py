"""A sqlite file, looked at by sqlite itself."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def sqlite_problem(file: Path) -> str:
    """What is wrong with a database that somebody has made there, in a few words; empty where nothing is.

    Source: sqlite.org/pragma.html, quick_check; sqlite.org/schematab.html.

    Args:
        file: which is there.
    """
    try:
        # A reader of its own, which makes nothing and changes nothing.
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            [found] = connection.execute("PRAGMA quick_check(1)").fetchone()
            [tables] = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        return f"it cannot be read ({error})"
    if found != "ok":
        return f"it is damaged ({' '.join(str(found).split())})"
    return "" if tables else "it is empty"


def why_no_database(file: Path) -> str:
    """Why there is no database of this name and none can be made, in a few words; empty where one is or can be.

    Whoever opens it would wait for ever, or begin an empty database in the place of one whose disk is away.
    """
    if file.is_symlink() and not file.exists():
        return (
            f"a link to {file.readlink()}, where nothing is: have it lead to the database, or mount its disk; for a new"
            " database remove the link"
        )
    if file.exists() and not file.is_file() and not file.is_dir():
        return "it is neither a file nor a folder, such as a named pipe or a device"
    return ""
