"""The worker's end of the control socket."""

from __future__ import annotations

import contextlib
import socket
import threading

from mindspore_serving.server.control_messages import Message, MessageReader, encode


class ControlSocket:
    """Sends and receives messages; sending is safe from any thread, receiving is one thread's."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(True)
        # Inherited on purpose by this process, but not by what the user's code may start.
        self._socket.set_inheritable(False)
        self._reader = MessageReader()
        self._messages: list[Message] = []
        self._lock = threading.Lock()

    def receive(self) -> Message | None:
        """Blocks for the next message; None when the master has gone."""
        while not self._messages:
            try:
                data = self._socket.recv(65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self._messages = self._reader.feed(data)
        return self._messages.pop(0)

    def send(self, message: Message) -> None:
        """Sends a message; a master that has gone is noticed by `receive`."""
        with self._lock, contextlib.suppress(ConnectionError):
            self._socket.sendall(encode(message))
