"""Every kind of value there and back, over both protocols."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.harness.callers import GrpcCaller, RestCaller
from tests.harness.protocol import DTYPES

Caller = GrpcCaller | RestCaller

SHAPES = [(), (1,), (3,), (2, 3), (2, 1, 3), (0,), (2, 0)]


def _filled(dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Small numbers, the extremes of the dtype first."""
    array = (np.arange(np.prod(shape, dtype=int)) % 5).astype(dtype).reshape(shape)
    if array.size > 1 and dtype.kind in "iu":
        array.flat[0], array.flat[1] = np.iinfo(dtype).min, np.iinfo(dtype).max
    elif array.size > 1 and dtype.kind == "f":
        array.flat[0], array.flat[1] = np.finfo(dtype).max, -0.1
    return array


@pytest.mark.parametrize("method", ["echo", "echo_twice", "pass_through"])
@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_numbers_of_every_dtype_and_shape_come_back(caller: Caller, dtype: np.dtype, method: str) -> None:
    instances = [{"x": _filled(dtype, shape)} for shape in SHAPES]
    results = caller.call("basic", method, *instances)
    for instance, result in zip(instances, results, strict=True):
        caller.assert_same(result, {"y": instance["x"]})


@pytest.mark.parametrize(
    "value", ["", "text", "grüße 你好 \U0001f600", '"quoted"\n\t\\ /', "\x00\x01", b"", b"\x00\xff\xfe"]
)
@pytest.mark.parametrize("method", ["echo", "echo_twice", "pass_through"])
def test_text_comes_back(caller: Caller, method: str, value: str | bytes) -> None:
    (result,) = caller.call("basic", method, {"x": value})
    if isinstance(value, bytes) and method != "pass_through":
        value = np.frombuffer(value, np.uint8)  # bytes reach a stage as an array, which it gives back
    caller.assert_same(result, {"y": value})


@pytest.mark.parametrize(
    ("value", "description"),
    [
        (np.zeros((2, 3), np.float32), "ndarray float32 (2, 3) writable"),
        (np.int32(7), "ndarray int32 () writable"),
        (np.array([True]), "ndarray bool (1,) writable"),
        (np.zeros(0, np.float16), "ndarray float16 (0,) writable"),
        ("tä", "str 'tä'"),
        (b"\x00ab", "ndarray uint8 (3,) writable"),
        (b"", "ndarray uint8 (0,) writable"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_what_a_stage_receives(caller: Caller, value: Any, description: str) -> None:
    caller.assert_same(caller.call("basic", "describe_input", {"x": value})[0], {"text": description})


def test_what_a_stage_may_return(caller: Caller) -> None:
    (result,) = caller.call("basic", "all_python_values", {"x": np.float32(0)})
    expected = {
        "str": "text",
        "bytes": b"\x00\xff",
        "bool": np.bool_(True),
        "int": np.int64(7),
        "float": np.float64(1.5),
        "float32": np.float32(2.5),
        "list": np.array([[1, 2], [3, 4]]),
        "numpy_bool": np.bool_(False),
    }
    caller.assert_same(result, expected)


def test_results_stand_in_the_order_of_the_instances(caller: Caller) -> None:
    instances = [{"a": np.int32(i), "b": np.int32(100 * i)} for i in range(50)]
    for i, result in enumerate(caller.call("basic", "add_two", *instances)):
        caller.assert_same(result, {"y": np.int32(101 * i)})


def test_strings_and_bytes_are_combined_in_stages(caller: Caller) -> None:
    (result,) = caller.call("basic", "add_two", {"a": "über", "b": "all"})
    caller.assert_same(result, {"y": "überall"})
    (result,) = caller.call("basic", "add_bytes", {"a": b"\xff", "b": b""})
    caller.assert_same(result, {"y": b"\xff"})


def test_outputs_keep_their_names(caller: Caller) -> None:
    (result,) = caller.call("basic", "swapped", {"a": "first in", "b": np.int32(2)})
    caller.assert_same(result, {"first": np.int32(2), "second": "first in"})


def test_one_value_under_two_names(caller: Caller) -> None:
    x = np.array([1.5, 2.5], np.float32)
    caller.assert_same(caller.call("basic", "same_twice", {"x": x})[0], {"first": x, "again": x})


def test_a_method_without_outputs_answers_with_empty_instances(caller: Caller) -> None:
    x = {"x": np.float32(1)}
    assert caller.call("basic", "nothing", x, x) == [{}, {}]


@pytest.mark.parametrize("method", ["transpose", "slice_columns", "tail"])
def test_arrays_of_any_memory_order_are_accepted(caller: Caller, method: str) -> None:
    x = np.arange(12, dtype=np.int32).reshape(3, 4)
    expected = {"transpose": x.T, "slice_columns": x[:, ::2], "tail": x[1:]}[method]
    caller.assert_same(caller.call("basic", method, {"x": x})[0], {"y": expected})


def test_changes_in_place_are_seen_by_later_stages_and_in_the_reply(caller: Caller) -> None:
    instances = [{"x": np.array([1, i], np.int32)} for i in range(5)]
    for i, result in enumerate(caller.call("basic", "change_in_place", *instances)):
        caller.assert_same(result, {"total": np.int64(123 + i), "x": np.array([123, i], np.int32)})


def test_extra_items_are_ignored(caller: Caller) -> None:
    (result,) = caller.call(
        "basic", "echo", {"x": np.float32(1), "no such input": np.zeros(3, np.float64), "z": "text"}
    )
    caller.assert_same(result, {"y": np.float32(1)})


def test_a_large_tensor_comes_back(caller: Caller) -> None:
    x = np.random.default_rng(5).integers(0, 256, (4, 3, 512, 512), np.uint8)  # 3 MB
    (result,) = caller.call("basic", "pass_through", {"x": x})
    caller.assert_same(result, {"y": x})
