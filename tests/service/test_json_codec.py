"""Our JSON codec against Python's `json` and numpy: what is read, and that every number that is written reads back."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.harness.callers import to_json
from tests.harness.http_client import HttpClient, HttpReply
from tests.harness.protocol import DTYPES
from tests.harness.server_process import ServerProcess
from tests.harness.strategies import TEXTS, arrays

PATH = "/model/basic:pass_through"
REALS = [dtype for dtype in DTYPES.values() if dtype.kind == "f"]
INTEGERS = [dtype for dtype in DTYPES.values() if dtype.kind in "iu"]
FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
FLOAT64_IN_FLOAT32 = st.floats(-3e38, 3e38)
# A 0 may only be the last dimension of a base64 object.
SHAPES = st.lists(st.integers(1, 4), max_size=3).flatmap(lambda shape: st.sampled_from([tuple(shape), (*shape, 0)]))
INT32 = st.integers(-(2**31), 2**31 - 1)


@pytest.fixture(scope="module")
def client(plain_server: ServerProcess) -> Iterator[HttpClient]:
    with HttpClient(plain_server.rest_address) as made:
        yield made


def ask(client: HttpClient, *texts: str) -> HttpReply:
    """The reply to instances whose x is written so."""
    instances = ",".join('{"x":' + text + "}" for text in texts)
    return client.request(PATH, '{"instances":[' + instances + "]}")


def numbers_of(reply: HttpReply, integer: Any = int, real: Any = float) -> list[Any]:
    """The numbers of the one instance, in order, made from their texts."""
    content = json.loads(reply.body, parse_int=integer, parse_float=real)["instances"][0]["y"]
    return list(_flat(content))


def _flat(content: Any) -> Iterator[Any]:
    if isinstance(content, list):
        for item in content:
            yield from _flat(item)
    else:
        yield content


def same_bits(array: np.ndarray[Any, Any], numbers: list[Any]) -> bool:
    """Whether numbers are the array's to the last bit; None stands for NaN and infinities."""
    finite = np.isfinite(array).ravel()
    if [number is not None for number in numbers] != finite.tolist():
        return False
    back = np.array([number for number in numbers if number is not None], array.dtype)
    return back.tobytes() == array.ravel()[finite].tobytes()


@given(arrays(REALS, SHAPES))
def test_every_real_reads_back_the_same(client: HttpClient, array: np.ndarray[Any, Any]) -> None:
    reply = ask(client, json.dumps(to_json_base64(array)))

    def only_reals(text: str) -> None:
        raise AssertionError(f"{text} would be read as an integer")

    assert same_bits(array, numbers_of(reply, integer=only_reals)), "through Python's float"
    # Read as the narrow type at once, without a double between.
    assert same_bits(array, numbers_of(reply, real=array.dtype.type)), "read as the tensor's own type"


@given(arrays(INTEGERS, SHAPES))
def test_every_integer_reads_back_the_same(client: HttpClient, array: np.ndarray[Any, Any]) -> None:
    def no_reals(text: str) -> None:
        raise AssertionError(f"{text} would be read as a real")

    assert numbers_of(ask(client, json.dumps(to_json_base64(array))), real=no_reals) == array.ravel().tolist()


@given(arrays(shapes=SHAPES) | TEXTS | st.binary(max_size=40))
def test_any_value_comes_back(client: HttpClient, value: Any) -> None:
    reply = ask(client, json.dumps(to_json(value)))
    (instance,) = reply.instances
    if isinstance(value, str):
        assert instance["y"] == value
    elif isinstance(value, bytes):
        assert base64.b64decode(instance["y"]["b64"], validate=True) == value
    else:
        array = np.where(np.isfinite(value), value, 0).astype(value.dtype) if value.dtype.kind == "f" else value
        got = np.array(instance["y"], dtype=object)
        assert got.shape == array.shape
        assert np.array_equal(np.where(got == None, 0, got).astype(array.dtype), array)  # noqa: E711


def to_json_base64(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    text = base64.b64encode(array.tobytes()).decode()
    return {"b64": text, "type": array.dtype.name, "shape": list(array.shape)}


@given(FLOAT32)
@example(3.4028234663852886e38)
@example(1.401298464324817e-45)
@example(16777217.0)
def test_the_shortest_text_of_a_float32_is_read_as_it(client: HttpClient, number: float) -> None:
    """Those who write float32 in as few digits as it takes get it to the bit, although it is read as a double first."""
    text = json.dumps(float(str(np.float32(number))))
    assert same_bits(np.array([number], np.float32), numbers_of(ask(client, f"[{text}]"), real=np.float32))


def lists_of(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A leaf, or equally long lists of them."""
    return st.lists(st.integers(1, 3), max_size=3).flatmap(lambda shape: _lists(leaves, shape))


def _lists(leaves: st.SearchStrategy[Any], shape: list[int]) -> st.SearchStrategy[Any]:
    return leaves if not shape else st.lists(_lists(leaves, shape[1:]), min_size=shape[0], max_size=shape[0])


WRITERS = st.sampled_from([{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}])


@given(lists_of(INT32) | lists_of(FLOAT64_IN_FLOAT32) | lists_of(st.booleans()) | TEXTS, WRITERS)
def test_what_json_writes_is_read(client: HttpClient, value: Any, how: dict[str, Any]) -> None:
    (instance,) = ask(client, json.dumps(value, **how)).instances
    got, leaves = list(_flat(instance["y"])), list(_flat(value))
    assert np.shape(instance["y"]) == np.shape(value)
    assert [type(leaf) for leaf in got] == [type(leaf) for leaf in leaves]
    if isinstance(leaves[0], float):
        leaves = [float(np.float32(leaf)) for leaf in leaves]
    assert [(leaf, math.copysign(1, leaf)) if isinstance(leaf, float) else leaf for leaf in got] == [
        (leaf, math.copysign(1, leaf)) if isinstance(leaf, float) else leaf for leaf in leaves
    ]


def _strictly_read(body: bytes) -> Any:
    """What Python's json reads, where it is as strict as the standard."""

    def refuse(text: str) -> None:
        raise ValueError(text)

    def finite(text: str) -> float:
        number = float(text)
        if math.isinf(number):
            raise ValueError(text)
        return number

    content = json.loads(body.decode("utf-8"), parse_constant=refuse, parse_float=finite)
    json.dumps(content, ensure_ascii=False).encode("utf-8")  # no surrogate without its partner
    return content


TEMPLATE = '{"instances": [{"x": [[1.5, -2e3], [0.1, 1E+2]], "z": "t\\u00e4\\n\\ud83d\\ude00"}], "more": [true, null]}'
PIECES = st.sampled_from(
    [b"", b'"', b"[", b"]", b"{", b"}", b",", b":", b"\\", b"0", b"-", b".", b"e", b" ", b"\xc3", b"\x01"]
)


@given(st.lists(st.tuples(st.integers(0, len(TEMPLATE) - 1), st.integers(0, 2), PIECES), min_size=1, max_size=3))
def test_what_is_no_json_for_python_is_none_for_us(client: HttpClient, changes: list[tuple[int, int, bytes]]) -> None:
    body = TEMPLATE.encode()
    for place, length, piece in changes:
        body = body[:place] + piece + body[place + length :]
    assume(not body.startswith(b"\xef\xbb\xbf"))
    try:
        _strictly_read(body)
        valid = True
    except ValueError:
        valid = False
    reply = client.request(PATH, body)
    assert reply.status in (200, 400)
    illegal = reply.status == 400 and reply.error.startswith("Illegal JSON format.")
    assert illegal == (not valid), reply.body
