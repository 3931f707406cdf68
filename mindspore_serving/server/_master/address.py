"""The addresses that servers listen on: one parser for both, which differ in their texts and in Unix sockets."""

from __future__ import annotations

import dataclasses
import ipaddress
import re

from mindspore_serving.server.errors import StartError

_UNIX = "unix:"


@dataclasses.dataclass(frozen=True)
class EndPoint:
    """How a server is called in its messages, and whether it can listen on a Unix socket."""

    name: str
    address_name: str
    bind_failure: str
    """What the message about a failed bind says before the address."""
    file_failure: str
    """What the message about a wrong certificate says before the reason; scripts know gRPC's as a failed bind."""
    unix_sockets: bool

    def cannot_bind(self, address: str, reason: object = "") -> StartError:
        """The error for an address that nothing can be bound to."""
        text = f"Serving Error: {self.name} server start failed, {self.bind_failure.format(address=address)}"
        return StartError(f"{text}, {reason}" if reason else text)

    def wrong_file(self, address: str, reason: str) -> str:
        """The text about a certificate or key."""
        return f"Serving Error: {self.name} server start failed, {self.file_failure.format(address=address)}{reason}"

    def already_running(self) -> str:
        """The text of a second start."""
        return f"Serving Error: {self.name} server is already running"


_GRPC_FAILURE = "create server failed, address {address}"
GRPC = EndPoint("Serving gRPC", "Serving gRPC address", _GRPC_FAILURE, f"{_GRPC_FAILURE}, ", True)
RESTFUL = EndPoint("RESTful", "RESTful server address", "bind to the socket address {address} failed", "", False)


@dataclasses.dataclass(frozen=True)
class Address:
    """A parsed address: host and port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str | None = None

    def text(self, port: int) -> str:
        """The address as it is announced, with the port that the system chose where it was 0."""
        return f"{_UNIX}{self.path}" if self.path is not None else f"{self.host}:{self.port or port}"


def parse_address(end_point: EndPoint, address: str) -> Address:
    """`<host>:<port>` (port 0: the system chooses one) or `unix:<path>`. The last colon separates host and port.

    Raises `StartError` with a text that begins `Serving Error: `."""
    if address.startswith(_UNIX):
        return _parse_unix(end_point, address)
    host, colon, port_text = address.rpartition(":")
    if not colon:
        raise StartError(f"Serving Error: The format of the {end_point.address_name} '{address}' is illegal")
    if not host or not port_text:
        raise StartError(f"Serving Error: Missing ip or port of the {end_point.address_name} '{address}'")
    if not re.fullmatch(r"[+-]?[0-9]+", port_text):
        raise StartError(f"Serving Error: The port of the {end_point.address_name} '{address}', port is not a number")
    port = int(port_text) if len(port_text) < 10 else -1
    if not 0 <= port <= 65535:
        raise StartError(
            f"Serving Error: The port of the {end_point.address_name} '{address}' is out of legal range [1 ~ 65535]"
        )
    _check_host(end_point, address, host)
    return Address(host=host, port=port)


def _parse_unix(end_point: EndPoint, address: str) -> Address:
    if not end_point.unix_sockets:
        raise StartError(
            f"Serving Error: {end_point.name} server does not support binding to unix domain socket '{address}'"
        )
    path = address[len(_UNIX) :]
    if not path:
        raise StartError(f"Serving Error: Empty grpc server unix domain socket address '{address}'")
    return Address(path=path)


def _check_host(end_point: EndPoint, address: str, host: str) -> None:
    """What looks like numbers is no name: asking a name server about it could take long and only fail."""
    if not re.fullmatch(r"[0-9.]+", host):
        return
    try:
        ipaddress.IPv4Address(host)
    except ValueError as error:
        raise end_point.cannot_bind(address, error) from None
