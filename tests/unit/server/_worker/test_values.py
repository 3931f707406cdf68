"""What Python stage functions get and may return."""

from __future__ import annotations

import base64
import gc
import os
import time
import weakref

import numpy as np
import pytest

from mindspore_serving.server import register
from tests.unit.server._worker.stage_methods import run, text_of

ARRAYS = [
    np.array([[True, False]]),
    *[np.arange(6, dtype=dtype).reshape(2, 3) for dtype in ("int8", "uint8", "int16", "uint16", "int32", "uint32")],
    *[np.arange(6, dtype=dtype).reshape(3, 2) for dtype in ("int64", "uint64", "float16", "float32", "float64")],
    np.float32(1.5),
    np.zeros((2, 0), np.int32),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_arrays_arrive_as_they_were_sent(worker, array):
    seen = []

    def keep(x):
        seen.append(x)
        return x

    (result,) = run(worker, keep, {"x": array})
    (got,) = seen
    assert type(got) is np.ndarray
    assert (got.dtype, got.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(got, array)
    assert got.flags.writeable
    assert result == {"y": array.tolist()}


def test_strings_and_bytes(worker):
    seen = []

    def keep(x, z):
        seen.append((x, z))
        return x, z

    (result,) = run(worker, keep, {"x": "grüße", "z": b"\x00\xff"}, outputs=("a", "b"))
    ((text, data),) = seen
    assert text == "grüße"
    assert (data.dtype, data.tolist()) == (np.uint8, [0, 255])
    assert result["a"] == "grüße"
    assert result["b"] == [0, 255]


class HasNumpy:
    def asnumpy(self):
        return np.array([1, 2], np.float32)


class Text(str):
    pass


RETURNED = [
    ("abc", "abc"),
    (Text("abc"), "abc"),
    (np.str_("abc"), "abc"),
    (True, True),
    (np.bool_(True), True),
    (7, 7),
    (-(2**63), -(2**63)),
    (1.5, 1.5),
    (np.float64(0.25), 0.25),
    (np.int16(-3), -3),
    (np.array(5), 5),
    (HasNumpy(), [1.0, 2.0]),
    ([[1, 2]], [1, 2]),
    (([[1], [2]],), [[1], [2]]),
    (bytearray(b"ab"), [97, 98]),
    (np.arange(6).reshape(2, 3).T, [[0, 3], [1, 4], [2, 5]]),
    (np.arange(10)[::3], [0, 3, 6, 9]),
    (np.broadcast_to(np.int32(4), (3,)), [4, 4, 4]),
    (np.zeros((0, 3), np.float32), []),
    (np.frombuffer(b"\x01\x02", np.uint8), [1, 2]),
]


@pytest.mark.parametrize(("value", "expected"), RETURNED, ids=lambda v: f"{type(v).__name__}")
def test_values_that_may_be_returned(worker, value, expected):
    def give(x):
        return value

    assert run(worker, give, {"x": 1}) == [{"y": expected}]


def test_bytes_returned_are_bytes(worker):
    def give(x):
        return b"\x01\x02"

    (result,) = run(worker, give, {"x": 1})
    assert base64.b64decode(result["y"]["b64"]) == b"\x01\x02"


ILLEGAL = [
    (lambda: None, "<class 'NoneType'>"),
    (lambda: {"a": 1}, "<class 'dict'>"),
    (lambda: np.array(["a"]), "<class 'numpy.ndarray'>"),
    (lambda: np.array([object()]), "<class 'numpy.ndarray'>"),
    (lambda: np.array([1], ">i4"), "<class 'numpy.ndarray'>"),
    (lambda: np.complex64(1), "<class 'numpy.complex64'>"),
    (lambda: np.datetime64("2020-01-01"), "<class 'numpy.datetime64'>"),
    (lambda: 2**63, "<class 'int'>"),
    (lambda: ([[1], [1, 2]],), "<class 'list'>"),
    (lambda: np.float32, "<class 'type'>"),
]


@pytest.mark.parametrize(("make", "type_name"), ILLEGAL, ids=lambda v: str(v)[:20])
def test_values_that_cannot_be_converted_fail_their_instance(worker, make, type_name):
    def give(x):
        return make() if x == 0 else 1

    error, result = run(worker, give, {"x": 0}, {"x": 1})
    assert error.startswith(text_of("test_values_that_cannot_be_converted_fail_their_instance.<locals>.give", ""))
    assert f"Get illegal result data with type {type_name}" in error
    assert result == {"y": 1}


def test_lone_surrogates_fail_their_instance(worker):
    (error,) = run(worker, lambda x: "\ud800", {"x": 0})
    assert "surrogates not allowed" in error


def test_changes_in_place_are_seen_by_later_users(worker):
    def change(x):
        x[0] = 123
        return x[1:]

    def total(x, part):
        return x.sum() + part.sum()

    @register.register_method(["x", "total"])
    def method(x):
        part = register.add_stage(change, x, outputs_count=1)
        return x, register.add_stage(total, x, part, outputs_count=1)

    worker.start()
    assert worker._master.ask("method", {"x": [1, 2, 3]}) == [{"x": [123, 2, 3], "total": 133}]


def test_read_only_results_are_writable_in_the_next_stage(worker):
    constant = np.array([1, 2, 3])
    constant.flags.writeable = False

    def give(x):
        return constant

    def change(y):
        y[0] = 9
        return y

    @register.register_method(["y", "z"])
    def method(x):
        y = register.add_stage(give, x, outputs_count=1)
        return register.add_stage(change, y, outputs_count=1), y

    worker.start()
    assert worker._master.ask("method", {"x": 1}) == [{"y": [9, 2, 3], "z": [9, 2, 3]}]
    assert constant.tolist() == [1, 2, 3]


def test_an_array_that_is_kept_stays_valid(worker, master):
    kept = []

    def keep(x):
        kept.append(x)
        return x

    results = run(worker, keep, *[{"x": [i, i]} for i in range(40)])
    assert results == [{"y": [i, i]} for i in range(40)]
    # Instances are independent: which runs first is not promised.
    assert sorted(array.tolist() for array in kept) == [[i, i] for i in range(40)]


def test_arrays_that_are_kept_are_counted(worker, master):
    kept = []

    def keep(x):
        kept.append(x)
        return x.sum()

    def kept_bytes():
        return [master.dispatcher.look_at_memory(master.worker)[0] for _ in range(3)][-1]

    run(worker, keep, *[{"x": np.zeros(1000, np.float32)} for _ in range(40)])
    assert 40 * 4000 <= kept_bytes() < 40 * 8000
    kept.clear()
    deadline = time.monotonic() + 60
    while kept_bytes():
        assert time.monotonic() < deadline
        os.sched_yield()


def test_arrays_are_not_kept_alive_by_the_worker(worker):
    alive = []

    def make(x):
        array = np.zeros(10)
        alive.append(weakref.ref(array))
        return array

    run(worker, make, {"x": 1})
    gc.collect()
    assert alive[0]() is None
