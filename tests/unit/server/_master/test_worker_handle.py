"""A process and its control socket, with a program of the test's in place of a worker."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from mindspore_serving.server._master import worker_handle
from mindspore_serving.server._master.launch import WorkerSpec
from mindspore_serving.server._master.merging import Servable
from mindspore_serving.server._master.worker_handle import WorkerHandle
from mindspore_serving.server.control_messages import Message, StopWorker, WorkerLeaving

from .fakes import FakeChannel

# Reads nothing until the master waits for it, which the end of its standard input tells.
WORKER = """
import sys
from mindspore_serving.server._worker.control import ControlSocket
from mindspore_serving.server.control_messages import WorkerLeaving

sys.stdin.read()
control = ControlSocket(int(sys.argv[1]))
start, stop = control.receive(), control.receive()
control.send(WorkerLeaving(f"{len(start.remote_models[0]['state'])} {type(stop).__name__}"))
"""
STATE = [f"backbone.layer{number}.batch_norm.moving_variance" for number in range(20_000)]


class Channel(FakeChannel):
    def peer_fds(self) -> list[int]:
        return []


class Listener:
    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.ended = asyncio.get_running_loop().create_future()

    def on_message(self, handle: WorkerHandle, message: Message) -> None:
        self.messages.append(message)

    def on_eof(self, handle: WorkerHandle) -> None:
        pass

    def on_exit(self, handle: WorkerHandle, returncode: int) -> None:
        self.ended.set_result(returncode)


def test_messages_larger_than_the_sockets_buffer_arrive_whole(monkeypatch):
    processes = []

    def launch(spec, control_fd, other_fds, log_path, append):
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, str(control_fd)],
                stdin=subprocess.PIPE,
                pass_fds=(control_fd,),
                start_new_session=True,
            )
        )
        return processes[0]

    async def scenario() -> None:
        servable = Servable("/servables", "add", 1, "cpu", (), 1, None, "AES-GCM")
        spec = WorkerSpec(servable, None, 0, False, remote_models=({"key": "a", "state": STATE},))
        listener = Listener()
        handle = WorkerHandle(asyncio.get_running_loop(), spec, Channel(), "worker.log", False, listener)
        handle.send(StopWorker())
        processes[0].stdin.close()
        try:
            assert await asyncio.wait_for(listener.ended, 60) == 0
        finally:
            handle.kill()
        assert listener.messages == [WorkerLeaving("20000 StopWorker")]

    monkeypatch.setattr(worker_handle, "launch", launch)
    asyncio.run(scenario())
