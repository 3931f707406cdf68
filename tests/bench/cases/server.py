"""What the server's processes need: memory, and the time to start."""

from __future__ import annotations

import time

import numpy as np

from ...harness import processes
from .. import children
from ..bench import Bench
from ..rows import Row, Target, ValueRow

_SQUARE = np.array([[1, 2], [3, 4]], np.float32)


def memory(bench: Bench) -> list[Row]:
    """PSS of the processes, fresh and after load, against an aiohttp echo (master) and Python with numpy (worker)."""
    with (
        bench.start_server("identity") as server,
        children.aiohttp_echo() as echo,
        children.LoopChild("pause_loop.py", "1") as bare,
    ):
        (worker,) = server.workers()
        references = {server.pid: processes.pss_mb(echo.pid), worker: processes.pss_mb(bare.pid)}
        names = {server.pid: "master", worker: "worker"}
        rows: list[Row] = []
        for state in ("fresh", "after load"):
            if state == "after load":
                bench.grpc_load(server, "identity", {"x": _SQUARE}, {"y": _SQUARE}).measure(64, bench.seconds)
            for pid, name in names.items():
                target = Target("value", at_most=60) if (name, state) == ("master", "fresh") else None
                rows.append(
                    ValueRow(f"memory of the {name}, {state}", "MB", target, [processes.pss_mb(pid)], [references[pid]])
                )
    return rows


def startup(bench: Bench) -> list[Row]:
    """From the script's start to the last "listening on" line, servable without a model; against an aiohttp echo."""
    ours, reference = [], []
    for _ in range(bench.rounds):
        with bench.launch_server("identity") as server:
            server.wait_for_line("RESTful server start success, listening on")
            ours.append(time.monotonic() - server.started_at)
            server.wait_ready()
        with children.aiohttp_echo() as echo:
            reference.append(echo.start_s)
    return [ValueRow("start, servable without a model", "s", Target("value", at_most=1.0), ours, reference)]
