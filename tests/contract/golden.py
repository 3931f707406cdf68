"""The recorded wire forms: requests and the replies of a real server, byte for byte, for each dtype and kind of error.

`golden/protobuf.txt` has messages in hexadecimal, `golden/json.txt` RESTful bodies, each as

    # name
    > request
    < reply (after its HTTP status, in json.txt)

`python -m tests.contract.golden` records both anew. A difference means that clients see another wire form than before.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.harness.grpc_client import GrpcClient
from tests.harness.http_client import HttpClient
from tests.harness.protocol import DTYPES, make_request, messages
from tests.harness.server_process import ServerProcess, start_script

FOLDER = Path(__file__).parent / "golden"
_SERVABLES = Path(__file__).parents[1] / "servables"


@dataclasses.dataclass(frozen=True)
class Case:
    """A request to `servable.method`. Over HTTP `values` are JSON texts of the instances."""

    name: str
    method: str
    values: list[Any]
    servable: str = "basic"
    version: int = 0


def _numbers(dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Two rows with the dtype's limits."""
    if dtype.kind == "b":
        return np.array([[True, False], [False, True]])
    info = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    return np.array([[info.min, info.max], [1, 0]], dtype)


def _dtype_cases() -> list[Case]:
    cases = []
    for dtype in DTYPES.values():
        cases.append(Case(f"{dtype.name} of shape [2, 2]", "pass_through", [{"x": _numbers(dtype)}]))
        cases.append(Case(f"{dtype.name} scalar", "pass_through", [{"x": dtype.type(1)}]))
        cases.append(Case(f"{dtype.name} of shape [0]", "pass_through", [{"x": np.zeros(0, dtype)}]))
    return cases


def _text(dtype: int, value: bytes, *dims: int) -> Any:
    tensor = messages().Tensor(dtype=dtype, bytes_val=[value])
    tensor.shape.dims.extend(dims)
    return tensor


PROTOBUF_CASES = [
    *_dtype_cases(),
    Case("string", "pass_through", [{"x": "text é"}]),
    Case("string of shape [1]", "pass_through", [{"x": _text(13, "é".encode(), 1)}]),
    Case("empty string", "pass_through", [{"x": ""}]),
    Case("bytes", "pass_through", [{"x": b"\x00\xff"}]),
    Case("bytes of shape [1]", "pass_through", [{"x": _text(14, b"\xfe", 1)}]),
    Case("NaN and infinities", "pass_through", [{"x": np.array([np.nan, np.inf, -np.inf, -0.0], np.float32)}]),
    Case("shape [2, 0, 3]", "pass_through", [{"x": np.zeros((2, 0, 3), np.int32)}]),
    Case("a Python stage", "echo", [{"x": np.array([1.5], np.float64)}]),
    Case("values a stage makes of Python's own types", "all_python_values", [{"x": np.int32(0)}]),
    Case("two outputs, two instances", "swapped", [{"a": "1", "b": np.int8(2)}, {"a": b"3", "b": "4"}]),
    Case("no outputs", "nothing", [{"x": np.int8(0)}]),
    Case("version named", "pass_through", [{"x": np.int8(0)}], version=1),
    Case("one instance of two fails", "raises", [{"x": np.int32(1)}, {"x": np.int32(-1)}], "failing"),
    Case("all instances fail alike", "raises", [{"x": np.int32(-1)}, {"x": np.int32(-1)}], "failing"),
    Case("instances fail differently", "raises", [{"x": np.int32(-1)}, {"x": np.int32(-2)}], "failing"),
    Case("no instances", "echo", []),
    Case("no such servable", "echo", [{"x": np.int8(0)}], "nobody"),
    Case("no such method", "no_method", [{"x": np.int8(0)}]),
    Case("no such version", "echo", [{"x": np.int8(0)}], version=9),
    Case("no such input", "echo", [{"z": np.int8(0)}]),
]

_BASE64 = '{"x":{"b64":"%s","type":"%s","shape":%s}}'
JSON_CASES = [
    Case("integer", "pass_through", ['{"x":-2147483648}']),
    Case("reals", "pass_through", ['{"x":[0.1,1e-5,1e-4,1.0,-0.0,1e15,999999986991104.0,1e38,1e-45,16777216.0]}']),
    Case("bools in lists", "pass_through", ['{"x":[[true],[false]]}']),
    Case("integers in lists", "pass_through", ['{"x":[[1,2,3],[4,5,6]]}']),
    Case("string", "pass_through", ['{"x":"a\\u0001\\b\\f\\n\\r\\t/\\"\\\\é\\u20ac\\ud83d\\ude00\\u007f"}']),
    Case("string in a list", "pass_through", ['{"x":["a"]}']),
    Case("bytes", "pass_through", ['{"x":{"b64":"AP8="}}']),
    Case("bytes in a list", "pass_through", ['{"x":[{"b64":"AP8="}]}']),
    Case("base64 of a string", "pass_through", ['{"x":{"b64":"w6k=","type":"str"}}']),
    Case("base64 without elements", "pass_through", [_BASE64 % ("", "int64", "[2,0]")]),
    Case("base64 int8", "pass_through", [_BASE64 % ("gH8=", "int8", "[2]")]),
    Case("base64 uint8", "pass_through", [_BASE64 % ("AP8=", "uint8", "[1,2]")]),
    Case("base64 int16", "pass_through", [_BASE64 % ("AID/fw==", "int16", "[2]")]),
    Case("base64 uint16", "pass_through", [_BASE64 % ("//8=", "uint16", "[]")]),
    Case("base64 int32", "pass_through", [_BASE64 % ("AAAAgA==", "int32", "[1]")]),
    Case("base64 uint32", "pass_through", [_BASE64 % ("/////w==", "uint32", "[1]")]),
    Case("base64 int64", "pass_through", [_BASE64 % ("AAAAAAAAAIA=", "int64", "[1]")]),
    Case("base64 uint64", "pass_through", [_BASE64 % ("//////////8=", "uint64", "[1]")]),
    Case("base64 float16", "pass_through", [_BASE64 % ("Zi7/ewEAAHw=", "fp16", "[4]")]),
    Case("base64 float32", "pass_through", [_BASE64 % ("zczMPf//f38BAAAAAADAfw==", "fp32", "[4]")]),
    Case("base64 float64", "pass_through", [_BASE64 % ("mpmZmZmZuT/////////vfwEAAAAAAAAAAAAAAAAA8P8=", "fp64", "[4]")]),
    Case("base64 bool", "pass_through", [_BASE64 % ("AQA=", "bool", "[2]")]),
    Case("values a stage makes of Python's own types", "all_python_values", ['{"x":0}']),
    Case("two outputs, two instances", "swapped", ['{"a":1,"b":2}', '{"b":"3","a":[4.5]}']),
    Case("no outputs", "nothing", ['{"x":1}']),
    Case("one instance of two fails", "raises", ['{"x":1}', '{"x":-1}'], "failing"),
    Case("all instances fail alike", "raises", ['{"x":-1}', '{"x":-1}'], "failing"),
    Case("instances fail differently", "raises", ['{"x":-1}', '{"x":-2}'], "failing"),
    Case("no such servable", "echo", ['{"x":1}'], "nobody"),
    Case("no such method", "no_method", ['{"x":1}']),
    Case("no such input", "echo", ['{"z":1}']),
    Case("ragged list", "echo", ['{"x":[[1,2],[3]]}']),
    Case("an integer too large", "echo", ['{"x":2147483648}']),
    Case("no base64", "echo", ['{"x":{"b64":"?"}}']),
]


def request_bytes(case: Case) -> bytes:
    """The request as protobuf's own library writes it, fields and map entries in their order."""
    request = make_request(case.servable, case.method, case.values, case.version)
    return request.SerializeToString(deterministic=True)


def request_body(case: Case) -> str:
    """The RESTful body."""
    return '{"instances":[' + ",".join(case.values) + "]}"


def ask_grpc(client: GrpcClient, request: str) -> str:
    """The server's reply to a request, both in hexadecimal."""
    return client.send_bytes(bytes.fromhex(request)).hex()


def ask_http(client: HttpClient, case: Case) -> str:
    """The status and body of the server's reply."""
    reply = client.request(f"/model/{case.servable}:{case.method}", request_body(case))
    return f"{reply.status} {reply.body.decode()}"


def read(file: str) -> dict[str, tuple[str, str]]:
    """Request and reply by the name of the case."""
    lines = (FOLDER / file).read_text().splitlines()
    found = {}
    for name, request, reply in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        assert (name[:2], request[:2], reply[:2]) == ("# ", "> ", "< "), name
        found[name[2:]] = (request[2:], reply[2:])
    return found


def serve_cases(directory: Path, servables: Path = _SERVABLES) -> ServerProcess:
    """A server for all cases."""
    configs = [{"servable_directory": str(servables), "servable_name": name} for name in ("basic", "failing")]
    return ServerProcess(start_script(configs), directory)


def _record(file: str, recorded: dict[str, tuple[str, str]]) -> None:
    lines = [f"# {name}\n> {request}\n< {reply}\n" for name, (request, reply) in recorded.items()]
    (FOLDER / file).write_text("".join(lines))


def main() -> int:
    """Records both files from a server of this tree."""
    with tempfile.TemporaryDirectory() as folder, serve_cases(Path(folder)) as server:
        server.wait_ready()
        with GrpcClient(server.grpc_address) as client:
            requests = {case.name: request_bytes(case).hex() for case in PROTOBUF_CASES}
            _record("protobuf.txt", {name: (sent, ask_grpc(client, sent)) for name, sent in requests.items()})
        with HttpClient(server.rest_address) as client:
            _record("json.txt", {case.name: (request_body(case), ask_http(client, case)) for case in JSON_CASES})
    return 0


if __name__ == "__main__":
    sys.exit(main())
