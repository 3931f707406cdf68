"""A server that closes each connection at once, in gRPC's way, as one whose memory for messages is full does."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

from . import http2_bytes

_CLOSING = http2_bytes.frame(http2_bytes.SETTINGS, 0, 0, b"") + http2_bytes.frame(
    http2_bytes.GOAWAY, 0, 0, struct.pack(">II", 0, 11) + b"Buffers full"
)


@contextlib.contextmanager
def closing_server() -> Iterator[str]:
    """Its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as listening:

        def close_all() -> None:
            with contextlib.suppress(OSError):  # the end of the block
                while True:
                    connection, _ = listening.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.settimeout(20)
                        connection.sendall(_CLOSING)
                        connection.recv(10_000)

        thread = threading.Thread(target=close_all)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
