"""Which kinds of devices the inference engine finds: asked in a child process, so that the master never loads it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable

from mindspore_serving.server._master.merging import Servable
from mindspore_serving.server.errors import StartError

_PROBE = """
import json, mindspore
kinds = [kind for kind in ("Ascend", "GPU", "CPU") if mindspore.hal.is_available(kind)]
print("device kinds:", json.dumps(kinds))
"""
_PROBE_TIMEOUT_S = 120


def check_device_types(servables: Iterable[Servable]) -> None:
    """Raises `StartError` when a servable asks for a kind of device that is not here. For CPU nothing is probed."""
    kinds: list[str] | None = None
    for servable in servables:
        if servable.device_type not in ("ascend", "gpu"):
            continue
        kinds = probe_device_kinds() if kinds is None else kinds
        if servable.device_type not in [kind.lower() for kind in kinds]:
            raise StartError(
                f"The device type '{servable.device_type}' of servable name {servable.name} is inconsistent with "
                f"current running environment, supported device types: {', '.join(kinds)}"
            )


def probe_device_kinds() -> list[str]:
    """The kinds of devices that can be used, of 'Ascend', 'GPU', 'CPU'. Takes seconds: the child imports MindSpore."""
    try:
        child = subprocess.run(
            [sys.executable, "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StartError(f"Failed to get device type: {error}") from error
    for line in child.stdout.splitlines():
        if line.startswith("device kinds:"):
            return json.loads(line.partition(":")[2])
    raise StartError(f"Failed to get device type: {child.stderr.strip()[-500:]}")
