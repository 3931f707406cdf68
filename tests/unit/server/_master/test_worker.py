"""What is said of a worker's end."""

from __future__ import annotations

import signal

import pytest

from mindspore_serving.server._master.worker import describe_exit


@pytest.mark.parametrize(
    ("returncode", "text"),
    [
        (0, "exit code 0"),
        (3, "exit code 3"),
        (-signal.SIGSEGV, "killed by signal 11 (SIGSEGV)"),
        (-signal.SIGKILL, "killed by signal 9 (SIGKILL), perhaps out of memory"),
        (-(signal.SIGRTMIN + 1), f"killed by signal {signal.SIGRTMIN + 1}"),
    ],
)
def test_ends_in_words(returncode: int, text: str) -> None:
    assert describe_exit(returncode) == text
