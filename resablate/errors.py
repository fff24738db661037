"""Every error resablate raises on purpose.

ResablateError
├── SpecError                what was asked cannot be run; holds every problem found
│   └── UnknownName          a name that is in no table
├── DatasetError             a data set is missing or not what it says it is
├── AnalysisError            a network and examples that an analysis cannot take
├── CheckpointError          a stored state cannot be read or does not fit
│   └── FilesLost            what a trial had stored was removed or damaged while it ran
├── FilesUnreadable          what is stored cannot be read now, and may be whole
├── TrackingError            the tracking server cannot be reached or does not hold what was asked
│   ├── TrackerAway          not now: the same request may succeed later
│   ├── UnknownSweep         it holds no sweep of that name
│   ├── DamagedResult        what it says it holds is not what was filed
│   ├── LeaseTaken           another process runs the sweep, or trains the trial
│   │   └── TrialComplete    another sweep has completed the trial
│   └── LeaseLost            another process may have taken over what this one ran
├── SubmissionError          a cluster cannot be reached or does not take a job
└── ResourceError            the resources asked for exist nowhere
    └── DeviceLost           a GPU is of no more use to its process (failures.py)

A message states the rule, the value, the choices and the place. `ResablateError`s are the user's to mend: the
command line prints their text alone and exits with 2.
"""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

SHOWN_PROBLEMS = 100
"""Of one error; what is beyond needs no advice either, which takes time to look for."""
_FEW = 24
"""Names that are all told where one of them is wanted; of more, how many there are."""
_SHOWN_CHARACTERS = 2000
"""Of one problem: a list of names is long, but what somebody wrote by mistake may be a whole file."""


class ResablateError(Exception):
    """The root: an error whose text is meant for the person at the keyboard."""


class SpecError(ResablateError):
    """A sweep or trial that cannot be run as it is written.

    Attributes:
        problems: one line each, so that all of them can be mended in one go.
        valid_part: the request without its mistakes, if that makes sense, so that a later check can add its own.
    """

    def __init__(self, problems: str | Iterable[str], *, place: str = "", valid_part: object = None) -> None:
        self.problems: list[str] = [problems] if isinstance(problems, str) else list(problems)
        self.valid_part = valid_part
        count = len(self.problems)
        lines = [_shortened(problem) for problem in self.problems[:SHOWN_PROBLEMS]]
        lines += [f"and {count - len(lines)} more"] if count > len(lines) else []
        if place:
            head = f"{place}: {count} problem{'s' if count > 1 else ''}"
            lines = [head, *(f"  {line}" for line in lines)]
        super().__init__("\n".join(lines))


class UnknownName(SpecError):
    """A name that is in no table.

    Args:
        kind: what it should be the name of.
        name: as it was given.
        known: the names that there are.
        listing: what prints them all, where there may be many.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], *, listing: str = "") -> None:
        choices = list(known)
        super().__init__(f"unknown {kind} {name!r}{nearest(name, choices)} ({choices_of('known', choices, listing)})")


class DatasetError(ResablateError):
    """A data set is missing or is not what it says it is."""


class AnalysisError(ResablateError):
    """A network and examples that an analysis cannot take."""


class CheckpointError(ResablateError):
    """A stored state cannot be read or does not fit the network."""


class FilesLost(CheckpointError):
    """What a trial had stored was removed or damaged while it ran."""


class FilesUnreadable(ResablateError):
    """Stored files that a disk or a permission keeps from being read: nobody knows whether they are whole."""


class TrackingError(ResablateError):
    """The tracking server cannot be reached or does not hold what was asked for."""


class TrackerAway(TrackingError):
    """The tracking server or its database cannot be reached now, is too busy, or has no room."""


class UnknownSweep(TrackingError):
    """The tracker holds no sweep of that name."""


class DamagedResult(TrackingError):
    """A record does not hold what it says: a result or a list that is missing, damaged, or another trial's."""


class LeaseTaken(TrackingError):
    """Another process has the right to run a sweep, or to train a trial."""


class TrialComplete(LeaseTaken):
    """Another sweep has completed a trial since this one looked."""


class LeaseLost(TrackingError):
    """This process has no right any more to run its sweep: it stopped renewing it, and another may have taken over."""


class SubmissionError(ResablateError):
    """A cluster cannot be reached or does not take a job."""


class ResourceError(ResablateError):
    """The resources asked for exist nowhere."""


def _shortened(problem: str) -> str:
    half, more = _SHOWN_CHARACTERS // 2, len(problem) - _SHOWN_CHARACTERS
    return f"{problem[:half]} ... ({more} more characters) ... {problem[-half:]}" if more > 0 else problem


def choices_of(what: str, names: Sequence[str], listing: str = "") -> str:
    """`known: a, b, c`, or of many names `known: 1,200 names, listed by LISTING`.

    Args:
        what: the names are.
        names: every one.
        listing: the command or function that prints them.
    """
    if listing and len(names) > _FEW:
        return f"{what}: {len(names):,} names, listed by {listing}"
    return f"{what}: {', '.join(names)}"


def in_a_line(error: BaseException) -> str:
    """`ValueError: what is wrong`: an error of another package, by the first line of its text that says something."""
    lines = (line.strip() for line in str(error).splitlines())
    text = next((line for line in lines if line), "")
    return f"{type(error).__name__}: {_shortened(text)}" if text else type(error).__name__


def without_statement(error: BaseException) -> str:
    """What a database or a server says, in one line, without the statement and the values that SQLAlchemy adds."""
    said = " ".join(str(error).partition("[SQL: ")[0].split())
    return _shortened(re.sub(r"\(raised as a result of [^)]*\) *", "", said))  # a word to who writes with SQLAlchemy


def first_few(names: Sequence[object], most: int = 5) -> str:
    """`a, b, c and 4 more`: the first of `names`, and how many others there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


def nearest(name: str, choices: Iterable[str]) -> str:
    """`; did you mean 'identity'?` for the choices nearest to `name`, or nothing."""
    pool = list(choices)
    close = get_close_matches(name, pool, n=2, cutoff=0.6) or [c for c in pool if name and name in c][:2]
    return f"; did you mean {' or '.join(repr(c) for c in close)}?" if close else ""
