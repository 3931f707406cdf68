"""The states of a worker and which may follow which."""

from __future__ import annotations

import enum


class WorkerState(enum.Enum):
    """Where a worker is in its life."""

    STARTING = "starting"
    """Its process runs and loads."""
    READY = "ready"
    """It gets requests."""
    DRAINING = "draining"
    """It gets no new requests, finishes what it has and ends."""
    BACKOFF = "waiting to be started again"
    """It died; its next process starts after a while."""
    STOPPED = "stopped"
    """It ended because somebody wanted it to. Final."""
    FAILED = "failed"
    """It cannot start, or died too often. Final."""

    @property
    def has_future(self) -> bool:
        """Whether it serves or may serve again."""
        return self in (WorkerState.STARTING, WorkerState.READY, WorkerState.BACKOFF)


_S = WorkerState
_SUCCESSORS = {
    _S.STARTING: {_S.READY, _S.DRAINING, _S.STARTING, _S.BACKOFF, _S.STOPPED, _S.FAILED},
    _S.READY: {_S.DRAINING, _S.STARTING, _S.BACKOFF, _S.STOPPED, _S.FAILED},
    _S.DRAINING: {_S.STOPPED},
    _S.BACKOFF: {_S.STARTING, _S.STOPPED, _S.FAILED},
    _S.STOPPED: set(),
    _S.FAILED: set(),
}


def advance(current: WorkerState, new: WorkerState) -> WorkerState:
    """The new state. Raises `AssertionError` when it cannot follow the current one."""
    if new not in _SUCCESSORS[current]:
        raise AssertionError(f"a worker that is {current.name} cannot become {new.name}")
    return new
