"""Where RESTful clients come in: the listening socket, how many connections there may be, and TLS."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
import ssl
from typing import TYPE_CHECKING, Any

from aiohttp import web

from mindspore_serving import log
from mindspore_serving.server._master.address import RESTFUL, Address
from mindspore_serving.server._master.rest_connection import Connection, raw_answer
from mindspore_serving.server.failure_log import FailureLog
from mindspore_serving.server.limits import RequestLimits

if TYPE_CHECKING:
    from mindspore_serving.server._master.tls import Tls

_BACKLOG = 1024
_MOST_CONNECTIONS = 10_000
_TLS_HANDSHAKE_S = 10.0
_TLS_SHUTDOWN_S = 1.0
_PAUSE_S = 1.0
"""How long nothing is accepted when there is no descriptor left for it."""
_NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""What else goes wrong is one connection's own."""
_LINGER_S = 1.0
"""How long a client that was turned away may take to read why."""
_MOST_LINGERING = 16


class Listener:
    """Accepts connections, and counts each from then on, before TLS has begun: silent clients could take all the
    process's descriptors otherwise. Made and used in the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, server: web.Server, limits: RequestLimits) -> None:
        self._loop, self._server, self._limits = loop, server, limits
        self._listening: socket.socket | None = None
        self._tls: dict[str, Any] = {}
        self._most = most_connections(limits)
        self._open: set[Connection] = set()
        self._beginning: set[asyncio.Task[None]] = set()
        self._lingering: set[socket.socket] = set()
        self._failures = FailureLog(log.warning)

    @property
    def count(self) -> int:
        """The connections that there are."""
        return len(self._open)

    def listen(self, listening: socket.socket, tls: Tls | None) -> None:
        """Accepts connections from now on; the socket is the listener's."""
        if tls is not None:
            handshake_s = min(_TLS_HANDSHAKE_S, self._limits.request_timeout_s)
            self._tls = {
                "ssl": tls.context,
                "ssl_handshake_timeout": handshake_s,
                "ssl_shutdown_timeout": _TLS_SHUTDOWN_S,
            }
        self._listening = listening
        self._loop.add_reader(listening, self._accept)

    def take(self, accepted: socket.socket, peer: tuple[Any, ...] = ("", 0)) -> None:
        """Makes a connection of a client's socket. One too many is told so."""
        accepted.setblocking(False)
        if len(self._open) >= self._most:
            self._turn_away(accepted)
            return
        connection = Connection(self._loop, self._server, self._limits, self._open.discard)
        self._open.add(connection)
        task = self._loop.create_task(self._begin(connection, accepted, peer))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    def stop_accepting(self) -> None:
        """Closes the listening socket."""
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    def close(self) -> None:
        """Ends what is no connection yet, or none any more."""
        self.stop_accepting()
        for task in self._beginning:
            task.cancel()
        for refused in list(self._lingering):
            self._let_go(refused)
        self._failures.close()

    def _accept(self) -> None:
        assert self._listening is not None
        try:
            accepted, peer = self._listening.accept()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            if error.errno not in _NO_ROOM:
                log.debug("a RESTful connection came to nothing: %s", error)
                return
            log.warning("no RESTful connection can be accepted for the next %g s: %s", _PAUSE_S, error)
            self._loop.remove_reader(self._listening)
            self._loop.call_later(_PAUSE_S, self._accept_again)
            return
        self.take(accepted, peer)

    def _accept_again(self) -> None:
        if self._listening is not None:
            self._loop.add_reader(self._listening, self._accept)

    async def _begin(self, connection: Connection, accepted: socket.socket, peer: tuple[Any, ...]) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: connection, accepted, **self._tls)
        except OSError as error:
            self._tell_failure(error, peer)
            accepted.close()
            self._open.discard(connection)

    def _tell_failure(self, error: OSError, peer: tuple[Any, ...]) -> None:
        """A client that just goes away is no news: whoever looks whether the port is open does so."""
        host, port = peer[:2]
        if self._tls and isinstance(error, (ssl.SSLError, ConnectionAbortedError)):  # the latter: it took too long
            text = f"TLS handshake with the RESTful client {host} port {port} failed: {error}"
            self._failures.note("TLS handshakes with RESTful clients", text)
        else:
            log.debug("the connection of the RESTful client %s port %s came to nothing: %s", host, port, error)

    def _turn_away(self, accepted: socket.socket) -> None:
        """Over TLS there is nothing to tell without a handshake."""
        if self._tls or len(self._lingering) >= _MOST_LINGERING:
            accepted.close()
            return
        text = f"there are {self._most} connections, which is the limit, try again later"
        with contextlib.suppress(OSError):
            accepted.send(raw_answer("503 Service Unavailable", text))
            accepted.shutdown(socket.SHUT_WR)
        self._lingering.add(accepted)
        self._loop.call_later(_LINGER_S, self._let_go, accepted)

    def _let_go(self, refused: socket.socket) -> None:
        self._lingering.discard(refused)
        refused.close()


def most_connections(limits: RequestLimits) -> int:
    """Half of what descriptors the process may have, unless the user said how many."""
    if limits.max_connections is not None:
        return limits.max_connections
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if descriptors == resource.RLIM_INFINITY else min(_MOST_CONNECTIONS, descriptors // 2)


def open_listening_socket(address: Address, text: str) -> socket.socket:
    """A bound socket for the address. Raises `StartError` naming `text`. SO_REUSEADDR lets a server start again at
    once, and without SO_REUSEPORT two servers cannot have one port."""
    try:
        host = address.host[1:-1] if address.host.startswith("[") and address.host.endswith("]") else address.host
        found = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, where = found[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RESTFUL.cannot_bind(text, error) from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(where)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise RESTFUL.cannot_bind(text, error) from error
    listening.setblocking(False)
    return listening
