"""Which state of a worker may follow which."""

from __future__ import annotations

import itertools

import pytest

from mindspore_serving.server._master.states import WorkerState, advance

S = WorkerState
ALLOWED = {
    (S.STARTING, S.STARTING),
    (S.STARTING, S.READY),
    (S.STARTING, S.DRAINING),
    (S.STARTING, S.BACKOFF),
    (S.STARTING, S.STOPPED),
    (S.STARTING, S.FAILED),
    (S.READY, S.STARTING),
    (S.READY, S.DRAINING),
    (S.READY, S.BACKOFF),
    (S.READY, S.STOPPED),
    (S.READY, S.FAILED),
    (S.DRAINING, S.STOPPED),
    (S.BACKOFF, S.STARTING),
    (S.BACKOFF, S.STOPPED),
    (S.BACKOFF, S.FAILED),
}


@pytest.mark.parametrize(("current", "new"), list(itertools.product(S, S)))
def test_transitions(current, new):
    if (current, new) in ALLOWED:
        assert advance(current, new) is new
    else:
        with pytest.raises(AssertionError, match=f"{current.name} cannot become {new.name}"):
            advance(current, new)


def test_who_serves_again():
    assert [state for state in S if state.has_future] == [S.STARTING, S.READY, S.BACKOFF]
