"""What Python stage functions get, may return, and how their errors stay with their instance."""

from __future__ import annotations

import base64
import gc
import re
import threading
import weakref

import numpy as np
import pytest

from mindspore_serving.server import register

DEADLINE_S = 60.0


def text_of(function: str, text: str) -> str:
    return f"Call Function 'test.{function}' Failed, method: 'method', stage index(begin with 1): 1, error msg: {text}"


def run(worker, function, *instances, outputs=("y",), **options):
    """Serves a method of one stage with that function, whose inputs have the names of the first instance's values."""
    names = list(instances[0])

    def method(x):
        return register.add_stage(function, x, outputs_count=len(outputs), **options)

    def method2(x, z):
        return register.add_stage(function, x, z, outputs_count=len(outputs), **options)

    chosen = method if len(names) == 1 else method2
    chosen.__name__ = "method"
    register.register_method(outputs)(chosen)
    worker.start()
    return worker._master.ask("method", *instances)


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
    assert [array.tolist() for array in kept] == [[i, i] for i in range(40)]


def test_arrays_are_not_kept_alive_by_the_worker(worker):
    alive = []

    def make(x):
        array = np.zeros(10)
        alive.append(weakref.ref(array))
        return array

    run(worker, make, {"x": 1})
    gc.collect()
    assert alive[0]() is None


def test_an_exception_is_the_instances_own_error(worker):
    def odd(x):
        if x % 2:
            raise ValueError(f"{x} is odd")
        return x

    results = run(worker, odd, *[{"x": i} for i in range(4)])
    name = "test_an_exception_is_the_instances_own_error.<locals>.odd"
    assert results == [{"y": 0}, text_of(name, "1 is odd"), {"y": 2}, text_of(name, "3 is odd")]
    assert [type(exception) for _, exception in worker.failures] == [ValueError, ValueError]
    assert worker.failures[0][1].__traceback__ is not None


@pytest.mark.parametrize("exception", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_no_exception_ends_the_worker(worker, exception):
    def leave(x):
        if x == 1:
            raise exception
        return x

    good, error = run(worker, leave, {"x": 0}, {"x": 1})
    assert good == {"y": 0}
    assert "error msg: " in error


@pytest.mark.parametrize(("returned", "count"), [(lambda x: (x, x), 2), (lambda x: [], 0)])
def test_a_wrong_number_of_outputs_fails_its_instance(worker, returned, count):
    def give(x):
        return returned(x) if x == 0 else x

    error, result = run(worker, give, {"x": 0}, {"x": 1})
    assert f"The outputs number {count} of one instance returned by function" in error
    assert result == {"y": 1}


def test_several_outputs(worker):
    assert run(worker, lambda x: [x, x + 1], {"x": 1}, outputs=("a", "b")) == [{"a": 1, "b": 2}]


def test_a_tag_names_the_stage_in_errors(worker):
    def fail(x):
        raise RuntimeError("no")

    (error,) = run(worker, fail, {"x": 1}, tag="Preprocess")
    assert error == "Call Preprocess Failed, method: 'method', stage index(begin with 1): 1, error msg: no"


def test_texts_of_errors_are_limited_and_unicode(worker):
    def fail(x):
        raise RuntimeError("ü" * 10000)

    (error,) = run(worker, fail, {"x": 1})
    assert len(error.encode()) <= 4096
    assert error.endswith("üü")


def batch_list(instances):
    return [x + z for x, z in instances]


def batch_lists(instances):
    return tuple([x + z] for x, z in instances)


def batch_yield(instances):
    for x, z in instances:
        yield x + z


def batch_more(instances):
    for x, z in instances:
        yield (x + z,)
    yield 1


def batch_map(instances):
    return map(sum, instances)


@pytest.mark.parametrize("function", [batch_list, batch_lists, batch_yield, batch_more, batch_map])
@pytest.mark.parametrize("batch_size", [0, 1, 2, 4, 100])
def test_batch_functions(worker, function, batch_size):
    instances = [{"x": [i], "z": [10]} for i in range(9)]
    assert run(worker, function, *instances, batch_size=batch_size) == [{"y": [i + 10]} for i in range(9)]
    assert max(count for _, _, count in worker.turns) <= max(1, batch_size)


def group(worker, function, count, **options):
    """Has the function called first with one instance that holds up the worker, then with `count` of them at once."""

    def entered(instances):
        if not calls:
            calls.append([])
            entered_once.set()
            assert go_on.wait(DEADLINE_S)
            return [0]
        calls.append([int(x) for (x,) in instances])
        return function(instances)

    calls: list[list[int]] = []
    entered_once, go_on = threading.Event(), threading.Event()

    @register.register_method("y")
    def method(x):
        return register.add_stage(entered, x, outputs_count=1, batch_size=count, tag="Stage", **options)

    worker.start()
    master = worker._master
    first = master.submit("method", [{"x": -1}])
    assert entered_once.wait(DEADLINE_S)
    second = master.submit("method", [{"x": i} for i in range(count)])
    go_on.set()
    _, reply = master.wait([first, second])
    if "instances" not in reply:
        return [reply["error_msg"]] * count, calls[1:]
    return [i.get("error_msg", i.get("y")) for i in reply["instances"]], calls[1:]


def stage_error(text):
    return f"Call Stage Failed, method: 'method', stage index(begin with 1): 1, error msg: {text}"


def test_a_batch_function_that_raises_fails_its_group(worker):
    def fail(instances):
        raise ValueError("all")

    results, calls = group(worker, fail, 3)
    assert calls == [[0, 1, 2]]
    assert results == [stage_error("all")] * 3


def test_a_generator_that_raises_is_called_again_with_the_rest(worker):
    def fail(instances):
        for (x,) in instances:
            if x == 1:
                raise ValueError("one")
            yield x

    results, calls = group(worker, fail, 4)
    assert calls == [[0, 1, 2, 3], [2, 3]]
    assert results == [0, stage_error("one"), 2, 3]


def test_no_iterator_fails_one_instance_after_the_other(worker):
    results, calls = group(worker, lambda instances: None, 2)
    assert calls == [[0, 1], [1]]
    assert all("but it returned <class 'NoneType'>" in result for result in results)


@pytest.mark.parametrize("kind", [list, iter])
def test_missing_results_fail_their_instances(worker, kind):
    results, calls = group(worker, lambda instances: kind([x for (x,) in instances[:-1]]), 3)
    assert calls == [[0, 1, 2]]
    assert results[:2] == [0, 1]
    assert re.search("Call Stage Failed.*The number 2 of instances returned by function", results[2])


@pytest.mark.parametrize("kind", [list, iter])
def test_one_bad_result_in_a_batch_fails_alone(worker, kind):
    results, calls = group(worker, lambda i: kind([5, None, (1, 2), 6]), 4)
    assert calls == [[0, 1, 2, 3]]
    assert (results[0], results[3]) == (5, 6)
    assert "Get illegal result data with type <class 'NoneType'>" in results[1]
    assert "The outputs number 2 of one instance" in results[2]


def test_a_function_with_many_inputs_and_one_without_any(worker):
    def total(*values):
        return sum(values)

    @register.register_method(["a", "b"])
    def method(x):
        a = register.add_stage(lambda: 4, outputs_count=1)
        b = register.add_stage(lambda i: [total(*v) for v in i], *[x] * 12, outputs_count=1, batch_size=1)
        return a, b

    worker.start()
    assert worker._master.ask("method", {"x": 2}) == [{"a": 4, "b": 24}]


def test_two_lambdas_are_two_functions(worker):
    @register.register_method("y")
    def method(x):
        y = register.add_stage(lambda v: v + 1, x, outputs_count=1)
        return register.add_stage(lambda v: v * 10, y, outputs_count=1)

    worker.start()
    assert worker._master.ask("method", {"x": 1}) == [{"y": 20}]


def test_large_results_travel_whole(worker):
    big = np.arange(200_000, dtype=np.int32)
    (result,) = run(worker, lambda x: big, {"x": 1})
    assert result["y"] == big.tolist()


def test_a_result_larger_than_the_memory_is_an_error(worker):
    (error,) = run(worker, lambda x: np.zeros(1 << 25, np.uint8), {"x": 1})
    assert "bytes, more than the limit of" in error
