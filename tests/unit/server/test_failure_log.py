"""What of things that fail again and again comes into the log."""

from __future__ import annotations

import contextlib

import pytest

from mindspore_serving import log
from mindspore_serving.server import failure_log
from mindspore_serving.server._worker.model_thread import ModelThread
from mindspore_serving.server.failure_log import FailureLog
from mindspore_serving.server.register.signature import ModelDeclaration

STAGE, OTHER = "method 'm', stage 1", "method 'm', stage 2"
TEN = [f"failure {number} %" for number in range(10)]


class Lines:
    """The log's lines, and a clock that the test sets."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.exceptions: list[BaseException | None] = []
        self.now_s = 100.0
        self.failures = FailureLog(self.error, lambda: self.now_s)

    def error(self, text: str, *args: object, exc_info: BaseException | None = None) -> None:
        self.lines.append(text % args)
        self.exceptions.append(exc_info)

    def fail(self, place: str, count: int) -> list[str]:
        """The new lines of that many failures."""
        before = len(self.lines)
        for number in range(count):
            self.failures.note(place, f"failure {number} %", ValueError(number))
        return self.lines[before:]


@pytest.fixture
def lines(monkeypatch):
    made = Lines()
    monkeypatch.setattr(log, "error", made.error)
    return made


def test_single_failures_are_logged_with_their_tracebacks(lines):
    assert lines.fail(STAGE, 10) == TEN
    assert [type(exception) for exception in lines.exceptions] == [ValueError] * 10
    lines.failures.close()
    assert len(lines.lines) == 10


def test_of_many_ten_in_ten_seconds(lines):
    assert lines.fail(STAGE, 100) == TEN
    lines.now_s += 9.9
    assert lines.fail(STAGE, 1) == []
    lines.now_s += 0.2
    assert lines.fail(STAGE, 1) == [f"91 failures of {STAGE} were left out of the log", TEN[0]]
    assert lines.fail(STAGE, 14) == TEN[:9]
    lines.failures.close()
    assert lines.lines[-1] == f"5 failures of {STAGE} were left out of the log"


def test_each_stage_has_its_own_limit(lines):
    lines.fail(STAGE, 100)
    assert lines.fail(OTHER, 2) == TEN[:2]


class FailingEngine:
    """A backend, the model that it loads, and the batches that come, each of which fails."""

    def __init__(self, batches: int) -> None:
        self.left = batches
        self.answers: list[str] = []
        self.model, self.subgraph, self.count = 0, 0, 1

    graphs = ()

    def load(self, declaration: object, files: object) -> FailingEngine:
        return self

    def predict(self, subgraph: int, inputs: object) -> None:
        raise ArithmeticError("no")

    def next_model_batch(self, lane: int) -> FailingEngine | None:
        self.left -= 1
        return self if self.left >= 0 else None

    def inputs(self) -> list[object]:
        return []

    def fail(self, text: str) -> None:
        self.answers.append(text)


def test_a_model_that_fails_is_limited_too(lines, monkeypatch):
    monkeypatch.setattr(failure_log, "_WINDOW_S", 3600.0)
    engine = FailingEngine(batches=12)
    model = ModelDeclaration("m", ("m.mindir",), "mindir", True, (), None, None)
    thread = ModelThread(1, lambda: contextlib.nullcontext(engine), {0: model}, "")
    thread.start()
    thread.serve(engine)
    thread.join(60)
    assert engine.answers == ["Predict Failed, no"] * 12
    expected = ["Predict of model 'm' subgraph 0 failed: no"] * 10
    assert lines.lines == [*expected, "2 failures of model 'm' subgraph 0 were left out of the log"]
