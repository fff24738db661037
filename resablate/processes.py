"""Which process it is: a number alone may be somebody else's by now, or one of another machine."""

from __future__ import annotations

import hashlib
import os
import socket
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path

_MACHINE_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE_FILE = Path("/proc/self/ns/pid")
_MULTICAST = 1 << 40
"""Set in what stands for the address of a network card where there is none: it is drawn anew by each process."""


def process_start(pid: int) -> int | None:
    """When a process of this machine began, in ticks since the machine did; None where there is none.

    A process that has ended and waits to be noted is none. On a machine without /proc every process began at 0.

    Source: proc_pid_stat(5), fields 3 (Z: it has ended) and 22; the name before them may hold any character.
    """
    with suppress(OSError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        state, *fields = stat.rpartition(")")[2].split()
        return None if state == "Z" else int(fields[18])
    if not Path("/proc/self/stat").exists():
        with suppress(OSError):
            os.kill(pid, 0)
            return 0
    return None


@cache
def machine_identity() -> str:
    """What is the same for two processes only if each finds the other under its number: a hash, in 16 hex digits.

    No single mark is enough. Machines may have equal host names; containers started from one image share its machine
    id; containers on one machine share its boot id, but each counts its processes by itself, in a namespace; a copy
    of a virtual machine that was saved while it ran has its boot id, but another network card. So all of them count,
    each where there is one. A mark that changes, as the boot id does at a restart, makes the machine another one,
    which is the harmless mistake: a process of another machine is listened to, not declared dead.

    It is a hash because a machine's id is not for others to read.

    Source: machine-id(5), random(4), pid_namespaces(7); RFC 9562, section 6.10, on the multicast bit.
    """
    card = uuid.getnode()
    marks = [socket.gethostname(), "" if card & _MULTICAST else f"{card:012x}"]
    marks += map(_text_of, (*_MACHINE_FILES, _BOOT_FILE))
    with suppress(OSError):
        marks.append(str(_NAMESPACE_FILE.stat().st_ino))
    return hashlib.sha256("\n".join(["resablate", *marks]).encode()).hexdigest()[:16]


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
