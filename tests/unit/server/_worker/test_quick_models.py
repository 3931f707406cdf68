"""Quick models are run in the thread of the Python stages that they follow, where their engine allows it."""

from __future__ import annotations

import threading
import time

import pytest

from mindspore_serving.server import register

from .test_model_stages import batching, floats

DEADLINE_S = 30


class Served:
    """A method of a function and a model after it."""

    def __init__(self, worker, master):
        self._worker = worker
        self._master = master
        self._stage_threads = set()

    def start(self, run, any_thread=True):
        model = register.declare_model("model", "MindIR")

        def pre(x):
            self._stage_threads.add(threading.get_ident())
            return x

        @register.register_method("y")
        def method(x):
            return register.add_stage(model, register.add_stage(pre, x, outputs_count=1), outputs_count=1)

        self._worker.start({"model": (run, batching([(4, 1)], [(4, 1)]))}, any_thread)

    def ask(self, *numbers):
        return self._master.ask("method", *[{"x": floats(number)} for number in numbers])

    def ran_with_stages(self):
        """Whether the last run was in the thread of the stages."""
        return self._worker.engine.threads[-1] in self._stage_threads

    def instances_beside(self, number):
        """All numbers that were ever in one run with this one, itself included."""
        return {n for (x,) in self._worker.engine.runs if number in x for n in x.flat}

    def ask_until_run_with_stages(self):
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            assert self.ask(1) == [{"y": [2]}]
            if self.ran_with_stages():
                return
        raise AssertionError(f"no run in the stages' thread: {self._worker.engine.threads}")


@pytest.fixture
def served(worker, master):
    return Served(worker, master)


def test_a_quick_model_comes_to_the_thread_of_the_stages(served):
    served.start(lambda x: [x + 1])
    assert served.ask(0) == [{"y": [1]}]
    assert not served.ran_with_stages(), "nobody could know yet how long it takes"
    served.ask_until_run_with_stages()


def test_a_model_of_an_engine_with_a_thread_of_its_own_stays_there(served):
    served.start(lambda x: [x + 1], any_thread=False)
    for i in range(20):
        assert served.ask(i) == [{"y": [i + 1]}]
        assert not served.ran_with_stages()


def test_a_model_that_takes_long_stays_in_its_thread(served):
    def busy(x):
        end = time.thread_time() + 0.002
        while time.thread_time() < end:
            pass
        return [x + 1]

    served.start(busy)
    for i in range(20):
        assert served.ask(i) == [{"y": [i + 1]}]
        assert not served.ran_with_stages()


def test_failing_runs_fail_their_instances_alone(served):
    def run(x):
        if 0 in x:
            raise ValueError("no zero")
        return [x + 1]

    served.start(run)
    served.ask_until_run_with_stages()
    assert served.ask(0) == ["Predict Failed, no zero"]
    assert served.ran_with_stages()
    asked = (1, 2, 3, 4, 0)
    answers = served.ask(*asked)
    # Usually all but the last are in the first run; how long the stages take decides.
    fail = served.instances_beside(0)
    assert answers == ["Predict Failed, no zero" if n in fail else {"y": [n + 1]} for n in asked]


def test_all_of_a_turn_is_run(served):
    served.start(lambda x: [x + 1])
    served.ask_until_run_with_stages()
    for _ in range(50):
        assert served.ask(*range(11)) == [{"y": [i + 1]} for i in range(11)]
