"""What /proc tells of a server's processes: which there are, their descriptors, threads and memory. Linux only."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

# Pools that the C++ gRPC library keeps for the whole process and lets grow, within bounds, as it likes.
_GRPC_POOLS = ("default-executo", "event_engine", "grpc_global_tim", "resolver-execut", "timer_manager")

_PIECE_BYTES = 1 << 24


@dataclasses.dataclass(frozen=True)
class Resources:
    """What one process holds; threads without those of gRPC's own pools."""

    descriptors: int
    threads: int


def marked(variable: str, value: str) -> list[int]:
    """The pids of all live processes with `variable=value` in their environment, whoever their parent is now."""
    needle = f"{variable}={value}".encode()
    return sorted(pid for pid in _all_pids() if needle in _read(pid, "environ").split(b"\0") and is_alive(pid))


def children(parent: int) -> list[int]:
    """The pids of the live children of a process, oldest first."""
    found = []
    for pid in _all_pids():
        fields = _stat(pid)
        if fields and int(fields[1]) == parent and fields[0] != "Z":
            found.append((int(fields[19]), pid))
    return [pid for _, pid in sorted(found)]


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    fields = _stat(pid)
    return bool(fields) and fields[0] not in "ZX"


def command_line(pid: int) -> str:
    """The arguments of a process, joined with blanks; empty when it is gone."""
    return _read(pid, "cmdline").replace(b"\0", b" ").decode(errors="replace").strip()


def resources(pid: int) -> Resources:
    """Open descriptors and threads of a process."""
    threads = [name for name in thread_names(pid) if name not in _GRPC_POOLS]
    return Resources(descriptors=len(os.listdir(f"/proc/{pid}/fd")), threads=len(threads))


def thread_names(pid: int) -> list[str]:
    """The name of each thread of a process, sorted."""
    return sorted(_read(pid, f"task/{thread}/comm").decode().strip() for thread in os.listdir(f"/proc/{pid}/task"))


def descriptor_targets(pid: int) -> dict[int, str]:
    """What each descriptor of a process points to; for messages of failed leak checks."""
    targets = {}
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            targets[int(entry.name)] = os.readlink(entry.path)
        except OSError:  # closed meanwhile
            continue
    return targets


def pss_mb(pid: int) -> float:
    """Proportional set size in MB (10^6 bytes): private memory and the share of what is shared."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE).group(1)) * 1024 / 1e6


def count_in_memory(pid: int, *needles: bytes) -> list[int]:
    """How often each of the byte strings stands in the private, writable memory of a process, as a core dump has it.

    Raises `PermissionError` where the memory of that process may not be read."""
    counts = [0] * len(needles)
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            addresses, permissions = line.split()[:2]
            if permissions != "rw-p":
                continue
            low, high = (int(address, 16) for address in addresses.split("-"))
            for number, needle in enumerate(needles):
                counts[number] += sum(part.count(needle) for part in _parts(memory, low, high, len(needle) - 1))
    return counts


def _parts(memory: io.RawIOBase, low: int, high: int, overlap: int) -> Iterator[bytes]:
    """The bytes from `low` to `high` in pieces that overlap; what cannot be read is left out."""
    for start in range(low, high, _PIECE_BYTES):
        with contextlib.suppress(OSError):
            memory.seek(start)
            yield memory.read(min(_PIECE_BYTES + overlap, high - start))


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # gone, or not ours
        return b""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the state on (the name before may hold blanks)."""
    text = _read(pid, "stat").decode(errors="replace")
    return text.rpartition(")")[2].split()
