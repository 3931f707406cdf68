"""The key of encrypted models, from the master's pipe to its end."""

from __future__ import annotations

import os
import resource
import signal
import sys

import pytest

from mindspore_serving.server._master.key_pipe import key_pipe
from mindspore_serving.server._worker.decryption_key import DecryptionKey

KEY = bytes(range(1, 25))


def received(key):
    """As the worker has it: its own descriptor of the pipe, when the master has closed both ends."""
    with key_pipe(key) as fd:
        return DecryptionKey(None if fd is None else os.dup(fd))


def test_the_key_is_overwritten_where_it_was():
    key = received(KEY)
    assert key.given
    with key.in_memory() as value:
        assert value == KEY
    assert value == bytes(len(KEY))
    key.close()


def test_the_key_is_overwritten_when_the_load_fails():
    with pytest.raises(ZeroDivisionError), received(KEY).in_memory() as value:
        1 / 0  # noqa: B018
    assert value == bytes(len(KEY))


@pytest.mark.parametrize("key", [b"", b"k"])
def test_objects_that_the_interpreter_shares_are_not_overwritten(key):
    with received(key).in_memory() as value:
        assert value == key
    assert value == key


def test_no_key():
    key = received(None)
    assert not key.given
    with key.in_memory() as value:
        assert value is None
    key.close()


def test_a_key_that_nobody_needs_is_closed():
    with key_pipe(KEY) as fd:
        own = os.dup(fd)
    key = DecryptionKey(own)
    key.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(own)


def test_it_is_not_inherited_by_what_the_users_code_starts():
    with key_pipe(KEY) as fd:
        own = os.dup(fd)
    os.set_inheritable(own, True)  # as it comes from the master
    key = DecryptionKey(own)
    assert not os.get_inheritable(own)
    key.close()


CRASH = """
import os, resource, sys
from mindspore_serving.server._master.key_pipe import key_pipe
from mindspore_serving.server._worker.decryption_key import DecryptionKey

os.chdir(sys.argv[1])
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
with key_pipe(bytes(16)) as fd, DecryptionKey(os.dup(fd)).in_memory():
    if sys.argv[2] == "inside":
        os.abort()
os.abort()
"""


def core_is_dumped(tmp_path, where):
    """Whether a process that crashes there dumps its core."""
    arguments = [sys.executable, "-c", CRASH, str(tmp_path), where]
    _, status = os.waitpid(os.posix_spawn(sys.executable, arguments, dict(os.environ)), 0)
    for core in tmp_path.iterdir():
        core.unlink()
    assert os.WTERMSIG(status) == signal.SIGABRT
    return os.WCOREDUMP(status)


def test_no_core_is_dumped_while_the_key_is_in_memory(tmp_path):
    if not core_is_dumped(tmp_path, "after"):
        pytest.skip("no process dumps its core here")
    assert not core_is_dumped(tmp_path, "inside")


def test_core_limits_are_as_before_afterwards():
    before = resource.getrlimit(resource.RLIMIT_CORE)
    with received(KEY).in_memory():
        assert resource.getrlimit(resource.RLIMIT_CORE)[0] in (0, 1)
    assert resource.getrlimit(resource.RLIMIT_CORE) == before
