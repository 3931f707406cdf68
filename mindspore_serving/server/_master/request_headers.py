"""What the headers of a RESTful request say of its body: whether it is packed, whether it waits for leave to come."""

from __future__ import annotations

from aiohttp import HttpVersion11, hdrs
from aiohttp.web_request import BaseRequest

from mindspore_serving.server import errors

_CONTINUE = "100-continue"


def check_headers(request: BaseRequest) -> None:
    """Raises `HttpRefusal` for a body that would have to be unpacked, and for an expectation that is not met. Nothing
    here unpacks anything, which could take any amount of memory."""
    for name, known, refuse in (
        (hdrs.TRANSFER_ENCODING, "chunked", errors.unknown_transfer_coding),
        (hdrs.CONTENT_ENCODING, "identity", errors.packed_body),
    ):
        if name in request.headers and any(coding != known for coding in _listed(request, name)):
            raise refuse(", ".join(request.headers.getall(name)))
    if any(expectation != _CONTINUE for expectation in _expectations(request)):
        raise errors.unknown_expectation(", ".join(request.headers.getall(hdrs.EXPECT)))


def expects_continue(request: BaseRequest) -> bool:
    """Whether the client may wait for leave to send the body."""
    return bool(_expectations(request))


def _expectations(request: BaseRequest) -> list[str]:
    return _listed(request, hdrs.EXPECT) if request.version >= HttpVersion11 and hdrs.EXPECT in request.headers else []


def _listed(request: BaseRequest, name: str) -> list[str]:
    """The comma-separated values of all headers of that name, in lower case."""
    values = ",".join(request.headers.getall(name)).split(",")
    return [value.strip().lower() for value in values if value.strip()]
