"""RESTful requests with nothing but sockets and `http.client`."""

from __future__ import annotations

import dataclasses
import http.client
import json
import socket
import ssl
from typing import Any


@dataclasses.dataclass(frozen=True)
class HttpReply:
    """Status, headers (lower case) and body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The text of an error of the whole request."""
        content = self.json
        assert list(content) == ["error_msg"], content
        return content["error_msg"]

    @property
    def instances(self) -> list[dict[str, Any]]:
        """The instances of an answered request."""
        content = self.json
        assert list(content) == ["instances"], content
        return content["instances"]


class HttpClient:
    """One keep-alive connection; with a context over TLS. Use as a context manager."""

    def __init__(self, address: str, timeout_s: float = 30.0, context: ssl.SSLContext | None = None) -> None:
        if context is None:
            self._connection = http.client.HTTPConnection(address, timeout=timeout_s)
        else:
            self._connection = http.client.HTTPSConnection(address, timeout=timeout_s, context=context)

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def request(
        self, path: str, body: Any = None, method: str = "POST", headers: dict[str, str] | None = None
    ) -> HttpReply:
        """Sends a request; a body that is neither bytes nor str becomes JSON."""
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        data = body.encode() if isinstance(body, str) else body
        self._connection.request(method, path, body=data, headers=headers or {})
        return _reply(self._connection.getresponse())

    def call(self, servable: str, method: str, *instances: dict[str, Any]) -> HttpReply:
        """POSTs instances of JSON values to the newest version."""
        return self.request(f"/model/{servable}:{method}", {"instances": list(instances)})


class RawConnection:
    """A bare socket to an HTTP server, for what `http.client` would not send. Use as a context manager."""

    def __init__(self, address: str, timeout_s: float = 30.0) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=timeout_s)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.socket.sendall(data)

    def line(self) -> bytes:
        """The next line the server sends; empty at its end of the stream."""
        return self._file.readline()

    def closed_by_server(self) -> bool:
        """Waits for the end of the connection, whatever comes before it; False when it does not come in time."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True

    def reply(self) -> HttpReply:
        """The next answer on the connection, which needs a Content-Length."""
        status_line = self.line()
        assert status_line.startswith(b"HTTP/1."), status_line
        headers = {}
        while (line := self.line().strip()) != b"":
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        body = self._file.read(int(headers["content-length"]))
        return HttpReply(int(status_line.split()[1]), headers, body)


def post_bytes(path: str, body: bytes, *headers: str) -> bytes:
    """The bytes of a POST with a Content-Length."""
    lines = [f"POST {path} HTTP/1.1", "Host: test", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def _reply(response: http.client.HTTPResponse) -> HttpReply:
    headers = {name.lower(): value for name, value in response.getheaders()}
    return HttpReply(response.status, headers, response.read())
