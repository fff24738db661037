"""Processes and the addresses at which they wait for connections, as /proc tells them."""

from contextlib import suppress
from pathlib import Path


def family(pid: int) -> set[int]:
    """The numbers of a process and of all that descends from it."""
    parents: dict[int, int] = {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def command_line_of(pid: int) -> str:
    """Of a process and of all that descends from it."""
    return "\n".join(Path(f"/proc/{each}/cmdline").read_text() for each in family(pid))


def listening(pid: int) -> set[str]:
    """The addresses at which a process or what descends from it waits for TCP connections."""
    inodes: set[str] = set()
    for each in family(pid):
        for link in Path(f"/proc/{each}/fd").iterdir():
            with suppress(OSError):
                inodes.add(str(link.readlink()))
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:  # proc_net(5): it listens
                host, _, port = words[1].partition(":")
                plain = ".".join(str(byte) for byte in reversed(bytes.fromhex(host))) if table == "tcp" else host
                found.add(f"{plain}:{int(port, 16)}")
    return found
