"""One worker process: its control socket, its death notice, its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING, Protocol

from mindspore_serving import log
from mindspore_serving.server._master.key_pipe import key_pipe
from mindspore_serving.server._master.launch import WorkerSpec, launch, log_tail
from mindspore_serving.server.control_messages import Message, MessageReader, encode

if TYPE_CHECKING:
    from mindspore_serving.server._master._core import Channel

_EXIT_AFTER_EOF_S = 5.0
"""A process that closed its control socket is going away; after this long it is killed."""


class WorkerListener(Protocol):
    """Who is told what happens to a process, in the loop's thread. The exit is the last and comes exactly once."""

    def on_message(self, handle: WorkerHandle, message: Message) -> None: ...
    def on_eof(self, handle: WorkerHandle) -> None: ...
    def on_exit(self, handle: WorkerHandle, returncode: int) -> None: ...


class WorkerHandle:
    """A started worker process and what connects the master with it. Used in the loop's thread only.

    Death is noticed through a pidfd, which a process forked by the user's code cannot keep open, and through the
    control socket's end of file. Raises `OSError` when the process cannot be started; the channel is closed then."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        spec: WorkerSpec,
        channel: Channel,
        log_path: str,
        append: bool,
        listener: WorkerListener,
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._reader = MessageReader()
        self._unsent = bytearray()
        self._kill_timer: asyncio.TimerHandle | None = None
        self.spec = spec
        self.channel = channel
        self.log_path = log_path
        channel_fds = channel.peer_fds()
        self.adopted = False
        """Whether the dispatcher has the channel now, and closes it."""
        self._control, peer = socket.socketpair()
        try:
            with peer, key_pipe(spec.dec_key) as key_fd:
                start_message = spec.start_message(channel_fds, key_fd)
                inherited = channel_fds if key_fd is None else [*channel_fds, key_fd]
                self._process = launch(spec, peer.fileno(), inherited, log_path, append)
            self._pidfd = self._open_pidfd()
        except OSError:
            self._control.close()
            channel.close()
            raise
        self._alive = True
        self._control_open = True
        self._control.setblocking(False)
        self.send(start_message)
        loop.add_reader(self._control, self._on_control)
        loop.add_reader(self._pidfd, self._on_process_end)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def pidfd(self) -> int:
        """The descriptor that stands for the process."""
        return self._pidfd

    def send(self, message: Message) -> None:
        """Sends a message, as fast as the worker takes it; one that has gone is told of by its exit, not here."""
        waits = bool(self._unsent)
        self._unsent += encode(message)
        if not waits:
            self._send_rest()

    def terminate(self) -> None:
        """SIGTERM: asks a process that does not read its messages yet to end. (SIGINT may be ignored: shells do so to
        what they start in the background, and children inherit it.)"""
        if self._alive:
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the process and everything it started that stayed in its process group."""
        if self._alive:
            self._kill_group()

    def log_tail(self) -> str:
        """The end of what the process wrote."""
        return log_tail(self.log_path)

    def _open_pidfd(self) -> int:
        try:
            return os.pidfd_open(self._process.pid)
        except OSError:
            self._process.kill()
            self._process.wait()
            raise

    def _send_rest(self) -> None:
        try:
            del self._unsent[: self._control.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError as error:
            log.info("cannot send to worker %s, pid %d: %s", self.spec.label, self.pid, error)
            self._unsent.clear()
        if self._unsent:
            self._loop.add_writer(self._control, self._send_rest)
        elif self._control_open:
            self._loop.remove_writer(self._control)

    def _on_control(self) -> None:
        """Reads everything that has come and reports it."""
        try:
            data = self._control.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close_control()
            self._listener.on_eof(self)
            return
        try:
            messages = self._reader.feed(data)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.error("worker %s, pid %d, sent something that is no message: %s", self.spec.label, self.pid, error)
            self.kill()
            return
        for message in messages:
            self._listener.on_message(self, message)

    def _on_process_end(self) -> None:
        while self._control_open and self._has_data():  # its last words
            self._on_control()
        self._alive = False
        # Before the process is reaped its number, and so its group's, cannot belong to anybody else.
        self._kill_group()
        returncode = self._process.wait()
        self._close_control()
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._listener.on_exit(self, returncode)

    def _has_data(self) -> bool:
        try:
            return bool(self._control.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    def _close_control(self) -> None:
        if self._control_open:
            self._control_open = False
            self._loop.remove_reader(self._control)
            self._loop.remove_writer(self._control)
            self._unsent.clear()
            self._control.close()
            if self._alive:
                self._kill_timer = self._loop.call_later(_EXIT_AFTER_EOF_S, self.kill)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
