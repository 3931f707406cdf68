"""A supervisor among stand-ins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mindspore_serving.server._master.launch import WorkerSpec
from mindspore_serving.server._master.merging import Servable
from mindspore_serving.server._master.states import WorkerState
from mindspore_serving.server._master.supervisor import Supervisor

from .fakes import FakeDispatcher, FakeProcess, Spawner

SERVABLE = Servable("/servables", "add", 1, "none", (0,), 1, None, "AES-GCM")
KEY = ("add", 1)
DEVICE_0 = WorkerSpec(SERVABLE, 0, None, True)
DEVICE_1 = WorkerSpec(SERVABLE, 1, None, True)
EXTRA_0 = WorkerSpec(SERVABLE, None, 0, False)


class Stage:
    """A supervisor and what it talks to."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.dispatcher = FakeDispatcher()
        self.spawner = Spawner()
        self.gone = 0
        self.supervisor = Supervisor(loop, self.dispatcher, self.spawner, self.on_gone)

    def on_gone(self) -> None:
        self.gone += 1

    @property
    def processes(self) -> list[FakeProcess]:
        return self.spawner.processes

    @property
    def states(self) -> list[WorkerState]:
        return [state for _, state in self.supervisor.states]

    async def serve(self, *specs: WorkerSpec) -> None:
        """Starts workers that become ready at once."""
        start = asyncio.ensure_future(self.supervisor.start(specs))
        for count in range(1, len(specs) + 1):
            await until(lambda count=count: len(self.processes) >= count)
            self.processes[count - 1].ready()
        await start


async def until(condition: Callable[[], bool]) -> None:
    async def wait() -> None:
        while not condition():
            await asyncio.sleep(0)

    await asyncio.wait_for(wait(), 10)
