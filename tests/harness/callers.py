"""One call in the words of either protocol, so that a case can be written once and sent over both."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import numpy as np

from .grpc_client import GrpcClient
from .http_client import HttpClient
from .server_process import ServerProcess

_JSON_LITERALS = (np.dtype(np.int32), np.dtype(np.float32), np.dtype(np.bool_))
_BASE64_NAMES = {np.dtype(np.float16): "fp16", np.dtype(np.float32): "fp32", np.dtype(np.float64): "fp64"}


@dataclasses.dataclass(frozen=True)
class Failure:
    """An error, of a request or of one instance. Over HTTP the code is not told."""

    text: str
    code: int | None = None
    status: int | None = None


class GrpcCaller:
    """Calls over gRPC. A result is a dict of values or a `Failure`, or there is one for the whole request."""

    name = "grpc"

    def __init__(self, server: ServerProcess) -> None:
        self._client = GrpcClient(server.grpc_address)

    def close(self) -> None:
        self._client.__exit__()

    def call(self, servable: str, method: str, *instances: dict[str, Any], version: int = 0) -> list[Any] | Failure:
        """Sends the instances."""
        reply = self._client.call(servable, method, *instances, version=version)
        assert reply.message.servable_spec.name == servable
        assert reply.message.servable_spec.method_name == method
        assert reply.message.servable_spec.version_number == version, "the version is given back as it was sent"
        if not reply.errors:
            assert len(reply.instances) == len(instances)
            return reply.instances
        if len(reply.errors) == 1 and not reply.instances:
            return Failure(reply.errors[0][1], code=reply.errors[0][0])
        assert len(reply.errors) == len(reply.instances) == len(instances)
        return [
            values if code == 0 else Failure(text, code=code)
            for values, (code, text) in zip(reply.instances, reply.errors, strict=True)
        ]

    def assert_same(self, got: dict[str, Any], expected: dict[str, Any]) -> None:
        """Every value has the expected type, dtype, shape and content."""
        assert sorted(got) == sorted(expected)
        for name, value in expected.items():
            if isinstance(value, (str, bytes)):
                assert got[name] == value
                continue
            array = np.asarray(value)
            assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape), name
            np.testing.assert_array_equal(got[name], array)


class RestCaller:
    """The same over HTTP: values travel as JSON literals where these mean the same dtype, else as base64 objects."""

    name = "rest"

    def __init__(self, server: ServerProcess) -> None:
        self._client = HttpClient(server.rest_address)

    def close(self) -> None:
        self._client.__exit__()

    def call(self, servable: str, method: str, *instances: dict[str, Any], version: int = 0) -> list[Any] | Failure:
        """Sends the instances."""
        path = f"/model/{servable}/version/{version}:{method}" if version else f"/model/{servable}:{method}"
        body = {"instances": [{name: to_json(value) for name, value in one.items()} for one in instances]}
        reply = self._client.request(path, body)
        assert reply.headers["content-type"].startswith("application/json")
        if reply.status != 200:
            return Failure(reply.error, status=reply.status)
        return [Failure(one["error_msg"]) if list(one) == ["error_msg"] else one for one in reply.instances]

    def assert_same(self, got: dict[str, Any], expected: dict[str, Any]) -> None:
        """The JSON is what the expected values are in JSON, types of numbers included."""
        want = {name: reply_json(value) for name, value in expected.items()}
        assert repr(dict(sorted(got.items()))) == repr(dict(sorted(want.items())))


def to_json(value: Any) -> Any:
    """A value as an input of a RESTful request."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    array = np.asarray(value)
    if array.dtype in _JSON_LITERALS and array.size:
        return array.tolist()
    text = base64.b64encode(array.tobytes()).decode()
    return {"b64": text, "type": _BASE64_NAMES.get(array.dtype, array.dtype.name), "shape": list(array.shape)}


def reply_json(value: Any) -> Any:
    """A value as it stands in a RESTful reply."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return np.asarray(value).tolist()
