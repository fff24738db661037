"""Processes, the addresses at which they wait for connections, and what Ray's say there to who has no token."""

from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path

import grpc

METHODS = [
    "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo",
    "/ray.rpc.InternalKVGcsService/InternalKVKeys",
    "/ray.rpc.JobInfoGcsService/GetAllJobInfo",
    "/ray.rpc.ActorInfoGcsService/GetAllActorInfo",
    "/ray.rpc.NodeManagerService/GetNodeStats",
    "/ray.rpc.NodeManagerService/RequestWorkerLease",
    "/ray.rpc.NodeManagerService/ShutdownRaylet",
    "/ray.rpc.CoreWorkerService/PushTask",
    "/ray.rpc.CoreWorkerService/Exit",
    "/ray.rpc.ObjectManagerService/Pull",
    "/ray.rpc.RayletDriver/Init",
]
"""Of the store of a cluster, of its nodes, of its workers, and of its client's server."""


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


def listening(pids: Iterable[int]) -> set[str]:
    """The addresses at which these processes wait for TCP connections.

    Source: proc_net(5): an address is in words of four bytes in the machine's order, and state 0A is that of a server.
    """
    inodes: set[str] = set()
    for pid in pids:
        with suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    inodes.add(str(link.readlink()))
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
                host, _, port = words[1].partition(":")
                packed = bytes.fromhex(host)
                address = ip_address(b"".join(packed[at : at + 4][::-1] for at in range(0, len(packed), 4)))
                mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
                found.add(f"{mapped or address}:{int(port, 16)}")
    return found


def answered(
    address: str, method: str, *, token: str = "", tls: grpc.ChannelCredentials | None = None
) -> grpc.StatusCode:
    """How a call of a method ends, without arguments; in the clear where `tls` is None."""
    options = [("grpc.enable_http_proxy", 0)]
    opened = grpc.secure_channel(address, tls, options) if tls else grpc.insecure_channel(address, options)
    with opened as channel:
        call = channel.unary_unary(method)
        try:
            call(b"", timeout=5, metadata=[("authorization", f"Bearer {token}")] if token else [])
        except grpc.RpcError as error:
            return error.code()  # type: ignore[no-any-return, attr-defined]
        return grpc.StatusCode.OK


def check_doors(addresses: Iterable[str], *, token: str) -> set[str]:
    """Those of the addresses where Ray asks for the token; it answers nobody who has none, or another, at any."""
    places = sorted(addresses)
    assert {place.rpartition(":")[0] for place in places} == {"127.0.0.1"}
    stores = [place for place in places if answered(place, METHODS[0], token=token) is grpc.StatusCode.OK]
    assert len(stores) == 1, "the store answers who has it, so this can fail"
    asking: set[str] = set()
    for place in places:
        for method in METHODS:
            for wrong in ("", "f" * 64):
                end = answered(place, method, token=wrong)
                assert end is not grpc.StatusCode.OK, (place, method)
                asking |= {place} if end is grpc.StatusCode.UNAUTHENTICATED else set()
    return asking
