"""What a server takes from one client, or in one request, before it refuses."""

from __future__ import annotations

import dataclasses

from mindspore_serving.server import checks


@dataclasses.dataclass(frozen=True)
class RequestLimits:
    """Limits of one end point, for `start_grpc_server` and `start_restful_server`. What is beyond is refused with an
    error that names the limit; sizes of messages have a parameter of their own there.

    Args:
        max_instances (int): Instances in one request, 1 to 1,048,576. Default 100,000.
        max_name_bytes (int): Bytes of the name of a servable, a method or an input, 1 to 65,536. Default 1024.
        max_json_depth (int): Objects and lists inside each other in a RESTful body, 4 to 1024. Default 64.
        max_header_bytes (int): Bytes of the request line and of each header of a RESTful request, and of all metadata
            of a gRPC call, 256 to 1,048,576. Default 8192.
        max_headers (int): Headers of a RESTful request, 1 to 10,000. Default 128.
        max_connections (int, optional): Connections to the RESTful server, 1 to 1,048,576. One too many is told so
            (a few at a time are), and with TLS, where silent ones count as well, only closed. Default None: half of the
            descriptors that the process may open (`ulimit -n`), at most 10,000.
        max_buffered_mb (int, optional): MiB that the requests of all gRPC clients together may take, arrived or on
            their way, until they are answered, 1 to 1,048,576, so it bounds `max_enqueued_requests` too. A request is
            refused with an error where those that have arrived would take more than seven eighths of it; where those on
            their way fill the rest, gRPC ends calls and idle connections with RESOURCE_EXHAUSTED or UNAVAILABLE.
            Default None: four times the largest message, at least 1024.
        request_timeout_s (float): Seconds, at most a day, that a client may take to send the head of a RESTful request,
            each 64 KiB of its body, and to take each 64 KiB of an answer; and to begin a gRPC connection. Default 30.
        idle_timeout_s (float): Seconds, at most a day, after which a RESTful connection without a request is closed,
            and a gRPC connection without traffic is asked for a sign of life. Default 100.

    Raises:
        RuntimeError: A value is of the wrong type or out of range.

    Example:
        >>> limits = server.RequestLimits(max_instances=64, request_timeout_s=5)
        >>> server.start_restful_server("127.0.0.1:1500", limits=limits)
    """

    max_instances: int = 100_000
    max_name_bytes: int = 1024
    max_json_depth: int = 64
    max_header_bytes: int = 8192
    max_headers: int = 128
    max_connections: int | None = None
    max_buffered_mb: int | None = None
    request_timeout_s: float = 30.0
    idle_timeout_s: float = 100.0

    def __post_init__(self) -> None:
        checks.check_int("max_instances", self.max_instances, 1, 1 << 20)
        checks.check_int("max_name_bytes", self.max_name_bytes, 1, 1 << 16)
        checks.check_int("max_json_depth", self.max_json_depth, 4, 1024)
        checks.check_int("max_header_bytes", self.max_header_bytes, 256, 1 << 20)
        checks.check_int("max_headers", self.max_headers, 1, 10_000)
        if self.max_connections is not None:
            checks.check_int("max_connections", self.max_connections, 1, 1 << 20)
        if self.max_buffered_mb is not None:
            checks.check_int("max_buffered_mb", self.max_buffered_mb, 1, 1 << 20)
        checks.check_seconds("request_timeout_s", self.request_timeout_s)
        checks.check_seconds("idle_timeout_s", self.idle_timeout_s)

    def buffered_bytes(self, max_message_bytes: int) -> int:
        """`max_buffered_mb` in bytes, or its default for messages of that size."""
        if self.max_buffered_mb is not None:
            return self.max_buffered_mb << 20
        return max(4 * max_message_bytes, 1 << 30)
