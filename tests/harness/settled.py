"""The leak check of a server that goes on running: its descriptors and threads come back to where they were."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator

from . import processes
from .server_process import ServerProcess
from .waiting import wait_until


@contextlib.contextmanager
def resources_come_back(server: ServerProcess, warm_up: Callable[[], None]) -> Iterator[None]:
    """Notes what the server's processes hold after `warm_up`, and on leaving waits until they hold no more than that.

    The warm-up makes libraries start what they start once and keep. Clients must be closed, or at least unreachable,
    when the block is left.
    """
    warm_up()
    before = _when_steady(server)
    yield
    gc.collect()  # an exception that a test caught keeps the test's clients, and with them their connections
    try:
        wait_until(lambda: not _grown(server, before), "descriptors and threads to come back")
    except AssertionError:
        grown = _grown(server, before)
        now = {pid: (processes.thread_names(pid), sorted(processes.descriptor_targets(pid).values())) for pid in grown}
        raise AssertionError(f"grown: {grown}; threads and descriptors now: {now}") from None


def _when_steady(server: ServerProcess) -> dict[int, processes.Resources]:
    """The resources as soon as two looks 100 ms apart agree."""
    last: list[dict[int, processes.Resources]] = [{}]

    def steady() -> dict[int, processes.Resources]:
        now = server.resources()
        same, last[0] = now == last[0], now
        return now if same else {}

    return wait_until(steady, "a steady number of descriptors and threads", pause_s=0.1)


def _grown(server: ServerProcess, before: dict[int, processes.Resources]) -> dict[int, str]:
    grown = {}
    for pid, now in server.resources().items():
        then = before.get(pid)
        if then is None:
            continue  # a replaced worker has no past
        if now.descriptors > then.descriptors or now.threads > then.threads:
            grown[pid] = f"{then} -> {now}"
    return grown
