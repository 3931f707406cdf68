"""How stage functions are called, and how their errors stay with their instance."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest

from mindspore_serving.server import register
from tests.unit.server._worker.stage_methods import run, text_of

DEADLINE_S = 60.0


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


@pytest.mark.parametrize("exception", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_no_exception_ends_the_worker(worker, exception):
    def leave(x):
        if x == 1:
            raise exception(3)
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


def batch_yield_lists(instances):
    for x, z in instances:
        yield [x + z]


def batch_more(instances):
    for x, z in instances:
        yield (x + z,)
    yield 1


def batch_map(instances):
    return map(sum, instances)


@pytest.mark.parametrize("function", [batch_list, batch_lists, batch_yield, batch_yield_lists, batch_more, batch_map])
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


def test_a_method_may_have_inputs_that_no_stage_uses(worker):
    @register.register_method("y")
    def method(x, unused):
        return register.add_stage(lambda v: v + 1, x, outputs_count=1)

    worker.start()
    assert worker._master.ask("method", {"x": 1, "unused": "text"}) == [{"y": 2}]


def test_a_batch_function_that_reads_more_inputs_than_it_has(worker):
    def reads_two(instances):
        return [instance[0] + instance[1] for instance in instances]

    (error,) = run(worker, reads_two, {"x": 1}, batch_size=2)
    name = "test_a_batch_function_that_reads_more_inputs_than_it_has.<locals>.reads_two"
    assert error == text_of(name, "tuple index out of range")


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
