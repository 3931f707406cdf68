"""The errors of the server. All are `RuntimeError`s, which is what users catch.

What clients are told about a request is decided in C++ (`ccsrc/base/error.h` holds the table of kinds, wire codes and
HTTP statuses). Only what is refused before a request reaches the dispatcher gets its HTTP status here.
"""

from __future__ import annotations


class ServingError(RuntimeError):
    """Base of the errors that the server raises, other than for a wrong argument."""


class StartError(ServingError):
    """A server or its workers could not start."""


class MissingFile(StartError, FileNotFoundError):
    """A certificate or key is not where it should be. Scripts may catch it as either."""


class AlreadyRunning(StartError):
    """The call was made before, and what it started still runs and is left alone."""


class HttpRefusal(ServingError):
    """A RESTful request that is answered without asking the dispatcher."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def not_found(text: str) -> HttpRefusal:
    """404: the path names no servable's method."""
    return HttpRefusal(404, text)


def method_not_allowed() -> HttpRefusal:
    """405: anything but POST."""
    return HttpRefusal(405, "http message only support POST right now")


def too_large(limit_bytes: int) -> HttpRefusal:
    """413: the body is larger than the server was told to take."""
    return HttpRefusal(413, f"http message is bigger than {limit_bytes}")


def packed_body(codings: str) -> HttpRefusal:
    """415: a body that would have to be decompressed."""
    return HttpRefusal(
        415,
        "the header Content-Encoding should be left out, or identity, since bodies are not decompressed, but actually "
        f"{codings}",
    )


def unknown_transfer_coding(codings: str) -> HttpRefusal:
    """501: a body that would have to be decompressed, in the transport's way."""
    return HttpRefusal(501, f"the header Transfer-Encoding should be left out, or chunked, but actually {codings}")


def unknown_expectation(expectations: str) -> HttpRefusal:
    """417: the client expects what the server knows nothing of."""
    return HttpRefusal(417, f"the header Expect should be left out, or 100-continue, but actually {expectations}")


def too_slow(timeout_s: float) -> HttpRefusal:
    """408: the body does not come."""
    return HttpRefusal(408, f"the body came too slowly, less than 64 KiB in {timeout_s:g} s")


def malformed_body() -> HttpRefusal:
    """400: what follows a body's beginning is not the rest of it."""
    return HttpRefusal(400, "malformed HTTP request: the body is not what its head says")


def stopping() -> HttpRefusal:
    """503: the server ends before the body has come."""
    return HttpRefusal(503, "the server is being stopped")


def deadline_passed() -> HttpRefusal:
    """504: there is no answer within the time that the client gave."""
    return HttpRefusal(504, "the time that the header Grpc-Timeout gives has passed")


def bad_timeout(text: str) -> HttpRefusal:
    """400: a time-out that cannot be read."""
    return HttpRefusal(
        400,
        f"the header Grpc-Timeout should be 1 to 8 digits and a unit, one of H, M, S, m, u, n, such as 500m for half a "
        f"second, but actually {text}",
    )


def empty_body() -> HttpRefusal:
    """400: a request without content."""
    return HttpRefusal(400, "http message invalid")
