"""Which kind of device each servable runs on: what MindSpore finds, asked in a child process that the master does not
have to load it for."""

from __future__ import annotations

import dataclasses
import glob
import json
import subprocess
import sys
from collections.abc import Callable, Iterable

from mindspore_serving import log
from mindspore_serving.server._master.launch import WITHOUT_WORKING_DIRECTORY
from mindspore_serving.server._master.merging import Servable
from mindspore_serving.server.errors import StartError

_KINDS = ("Ascend", "GPU", "CPU")
"""The preferred ones first."""
_NODES = {"Ascend": ("/dev/davinci[0-9]*",), "GPU": ("/dev/nvidia[0-9]*", "/dev/dxg")}
_PROBE = f"""\
{WITHOUT_WORKING_DIRECTORY}
import json, mindspore
kinds = [kind for kind in {_KINDS} if mindspore.hal.is_available(kind)]
print("device kinds:", json.dumps(kinds))
"""
_PROBE_TIMEOUT_S = 120


def resolve_device_types(
    servables: Iterable[Servable],
    enable_lite: bool,
    probe: Callable[[], list[str]] | None = None,
    attached: Callable[[], list[str]] | None = None,
) -> list[Servable]:
    """The servables on the kinds of devices that they are going to use.

    A kind that was asked for must be there. Where none was, and there are device ids, it is the first of Ascend and GPU
    that MindSpore can use; 'none' stays where that is the CPU, and for MindSpore Lite, which cannot be asked what it
    supports. MindSpore is started (which takes seconds) only for Ascend and GPU, or where such a device is attached,
    and never for MindSpore Lite.

    Args:
        servables: as merged.
        enable_lite: whether MindSpore Lite runs the models; MindSpore need not be installed then.
        probe: what MindSpore can use; by default `probe_device_kinds`.
        attached: what is attached to the machine; by default `attached_device_kinds`.

    Raises:
        StartError: a kind of device that was asked for is not here, or cannot be asked for.
    """
    attached = attached or attached_device_kinds
    kinds = _Kinds(attached if enable_lite else probe or probe_device_kinds)
    return [
        _chosen(servable, enable_lite, kinds, attached) if servable.device_type == "none" else _checked(servable, kinds)
        for servable in servables
    ]


class _Kinds:
    """Asks once, and only when somebody wants to know."""

    def __init__(self, ask: Callable[[], list[str]]) -> None:
        self._ask = ask
        self._answer: list[str] | None = None

    def __call__(self) -> list[str]:
        if self._answer is None:
            self._answer = self._ask()
        return self._answer


def _checked(servable: Servable, kinds: _Kinds) -> Servable:
    if servable.device_type != "cpu" and servable.device_type not in [kind.lower() for kind in kinds()]:
        raise StartError(
            f"The device type '{servable.device_type}' of servable name {servable.name} is inconsistent with "
            f"current running environment, supported device types: {', '.join(kinds())}"
        )
    return servable


def _chosen(servable: Servable, enable_lite: bool, kinds: _Kinds, attached: Callable[[], list[str]]) -> Servable:
    if enable_lite or not servable.device_ids:
        return servable
    devices = [kind for kind in attached() if kind != "CPU"]
    if not devices:
        return servable
    try:
        found = kinds()
    except StartError as error:
        # It may have no models; if it has, its worker will tell that there is no MindSpore.
        log.warning("servable %s runs on CPU, though %s is attached: %s", servable.name, " and ".join(devices), error)
        return servable
    best = next((kind for kind in _KINDS if kind in found), "CPU")
    return servable if best == "CPU" else dataclasses.replace(servable, device_type=best.lower())


def attached_device_kinds() -> list[str]:
    """The kinds of devices whose nodes are in /dev, and 'CPU'."""
    return [kind for kind in _KINDS if kind == "CPU" or any(map(glob.glob, _NODES[kind]))]


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
    raise StartError(f"Failed to get device type, which MindSpore is needed for: {child.stderr.strip()[-500:]}")
