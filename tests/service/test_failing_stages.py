"""What goes wrong in a user's function is the answer of that instance, and touches nobody else."""

from __future__ import annotations

import numpy as np
import pytest

from tests.harness.callers import Failure, GrpcCaller, RestCaller
from tests.harness.server_process import ServerProcess

Caller = GrpcCaller | RestCaller

STAGE_FAILED = 3
GOOD, BAD = np.int32(5), np.int32(-1)


def _instances(*values: np.int32) -> list[dict[str, np.int32]]:
    return [{"x": value} for value in values]


def _assert_stage_failure(failure: Failure, *fragments: str) -> None:
    assert isinstance(failure, Failure)
    assert failure.code in (STAGE_FAILED, None)
    assert failure.status in (500, None)
    for fragment in fragments:
        assert fragment in failure.text


@pytest.mark.parametrize(
    ("method", "good", "fragments"),
    [
        (
            "raises",
            ["y"],
            ["Call Function 'failing.raises_if_negative' Failed", "stage index(begin with 1): 1", "negative value -1"],
        ),
        ("batch_generator_raises", ["y"], ["Call Function 'failing.generator_raises' Failed", "negative value -1"]),
        (
            "few_outputs",
            ["a", "b"],
            ["Call Function 'failing.too_few_outputs' Failed", "The outputs number 1 of one instance"],
        ),
        (
            "many_outputs",
            ["a", "b"],
            ["Call Function 'failing.too_many_outputs' Failed", "The outputs number 3 of one instance"],
        ),
        ("bad_output", ["y"], ["Call Function 'failing.bad_value' Failed", "Get illegal result data with type"]),
        ("stage_exits", ["y"], ["Call Function 'failing.exits' Failed"]),
    ],
)
def test_one_failing_instance_leaves_its_neighbours_alone(
    caller: Caller, method: str, good: list[str], fragments: list[str]
) -> None:
    first, failed, last = caller.call("failing", method, *_instances(GOOD, BAD, GOOD + 1))
    _assert_stage_failure(failed, f"method: '{method}'", *fragments)
    caller.assert_same(first, dict.fromkeys(good, GOOD))
    caller.assert_same(last, dict.fromkeys(good, GOOD + np.int32(1)))


@pytest.mark.parametrize("value", range(-10, 0))
def test_every_value_that_cannot_be_sent_fails_its_instance(caller: Caller, value: int) -> None:
    failed, fine = caller.call("failing", "bad_output", *_instances(np.int32(value), GOOD))
    _assert_stage_failure(failed, "Call Function 'failing.bad_value' Failed")
    caller.assert_same(fine, {"y": GOOD})


@pytest.mark.parametrize(
    ("method", "fragments"),
    [
        ("raises", ["Call Function 'failing.raises_if_negative' Failed", "negative value -1"]),
        ("raises_tagged", ["Call Preprocess Failed", "always the same"]),
        ("raises_in_second_stage", ["Get illegal result data with type"]),
        ("batch_raises", ["Call Function 'failing.batch_raises_before' Failed", "a negative one among them"]),
        ("batch_returns_none", ["Call Function 'failing.not_iterable' Failed"]),
        ("short_generator", ["Call Postprocess Failed"]),
        ("short_list", ["Call Function 'failing.list_too_short' Failed"]),
        ("raises_key_error", ["Call Function 'failing.missing_key' Failed", "no such key"]),
    ],
)
@pytest.mark.parametrize("count", [1, 12])
def test_instances_that_fail_alike_are_one_error_of_the_request(
    caller: Caller, method: str, fragments: list[str], count: int
) -> None:
    failure = caller.call("failing", method, *_instances(BAD) * count)
    assert isinstance(failure, Failure), failure
    assert failure.code == STAGE_FAILED or failure.status == 500
    _assert_stage_failure(failure, *fragments)


def test_the_stage_that_failed_is_named_by_its_number(caller: Caller) -> None:
    failure = caller.call("failing", "raises_in_second_stage", *_instances(GOOD))
    _assert_stage_failure(failure, "stage index(begin with 1): 2", "always the same")


def test_instances_that_fail_differently_have_each_their_own_error(caller: Caller) -> None:
    first, second = caller.call("failing", "raises", *_instances(np.int32(-1), np.int32(-2)))
    _assert_stage_failure(first, "negative value -1")
    _assert_stage_failure(second, "negative value -2")


def test_the_rest_of_a_batch_goes_on_after_a_failing_instance(caller: Caller) -> None:
    values = [np.int32(-7 if i % 3 == 0 else i) for i in range(12)]
    for value, result in zip(
        values, caller.call("failing", "batch_generator_raises", *_instances(*values)), strict=True
    ):
        if value < 0:
            _assert_stage_failure(result, "negative value -7")
        else:
            caller.assert_same(result, {"y": value})


def test_a_long_error_text_is_limited_and_stays_utf8(caller: Caller) -> None:
    failure = caller.call("failing", "raises_long_text", *_instances(BAD))
    _assert_stage_failure(failure, "Call Function 'failing.long_text' Failed", "ééé")
    assert 3000 < len(failure.text.encode()) <= 4096


def test_no_worker_ended_meanwhile(plain_server: ServerProcess, caller: Caller) -> None:
    before = plain_server.workers()
    for method in ("few_outputs", "bad_output", "stage_exits", "short_generator", "batch_returns_none"):
        caller.call("failing", method, *_instances(BAD, BAD))
    caller.assert_same(caller.call("failing", "raises", *_instances(GOOD))[0], {"y": GOOD})
    assert plain_server.workers() == before
