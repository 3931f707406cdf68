"""The key of encrypted models, from the master's pipe to its end."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
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


LIMITS = """
import ctypes, os, resource, sys
from mindspore_serving.server._master.key_pipe import key_pipe
from mindspore_serving.server._worker.decryption_key import DecryptionKey

def state():
    return *resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)  # PR_GET_DUMPABLE

resource.setrlimit(resource.RLIMIT_CORE, (int(sys.argv[1]), int(sys.argv[2])))
before = state()
with key_pipe(bytes(16)) as fd, DecryptionKey(os.dup(fd)).in_memory():
    print(*state())
assert state() == before
"""


@pytest.mark.parametrize(("soft", "hard"), [(0, 4096), (1, 4096), (4096, 4096), (1, 1), (0, 0)])
def test_dumps_are_forbidden_meanwhile_and_not_afterwards(soft, hard):
    """A limit of 1 stops every dump; one of 0 lets those to a program through, so the process is not dumpable then."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    if most != resource.RLIM_INFINITY and most < hard:
        pytest.skip("the limit is lower here")
    arguments = [sys.executable, "-c", LIMITS, str(soft), str(hard)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    limit, _, dumpable = map(int, done.stdout.split())
    assert (limit, dumpable) == ((0, 0) if hard == 0 else (1, 1))
