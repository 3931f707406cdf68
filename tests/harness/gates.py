"""The test's side of the servable `slow`, whose stage waits for a file."""

from __future__ import annotations

from pathlib import Path

from .protocol import make_request
from .waiting import wait_until


def gate_request(gate: Path, instances: int = 1) -> bytes:
    """A request to `slow.gate` whose instances are answered when `gate` exists."""
    return make_request("slow", "gate", [{"path": str(gate)}] * instances).SerializeToString()


def entered(gate: Path) -> list[int]:
    """The pids of the workers whose stage has come to the gate, one entry for each time."""
    return [int(file.name.split(".")[-2]) for file in gate.parent.glob(f"{gate.name}.entered.*")]


def wait_entered(gate: Path, count: int = 1) -> list[int]:
    """Waits until the stage has come to the gate `count` times."""
    return wait_until(lambda: entered(gate) if len(entered(gate)) >= count else [], f"{count} calls at the gate")
