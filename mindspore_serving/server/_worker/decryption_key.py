"""The key of encrypted models in the worker: read when the engine needs it, overwritten when it has loaded them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
from collections.abc import Iterator

_LARGEST_BYTES = 32
_NO_CORE = 1
"""As the largest size of a core file it forbids both files and, which 0 does not, dumps piped to a program."""
_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4


class DecryptionKey:
    """The key as long as it waits in the pipe that the master wrote it to.

    Args:
        fd: the pipe's end to read from; None without a key.
    """

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        self.given = fd is not None
        """Whether there is a key."""
        if fd is not None:
            os.set_inheritable(fd, False)

    @contextlib.contextmanager
    def in_memory(self) -> Iterator[bytes | None]:
        """Inside the block, which may be entered once, the key is in memory, and the process writes no core dump."""
        if self._fd is None:
            yield None
            return
        buffer = bytearray(_LARGEST_BYTES)
        with _without_core_dump():
            length = os.readv(self._fd, [buffer])
            self.close()
            key = bytes(memoryview(buffer)[:length])  # engines want this type
            _overwrite(buffer)
            try:
                yield key
            finally:
                # What holds it still, holds zeros: an engine's object, or a frame in an error's traceback. CPython
                # shares objects of less than two bytes among all who use that byte; no key is so short.
                if length > 1:
                    ctypes.memset(ctypes.cast(ctypes.c_char_p(key), ctypes.c_void_p), 0, length)

    def close(self) -> None:
        """Forgets a key that nobody has read."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _overwrite(buffer: bytearray) -> None:
    buffer[:] = bytes(len(buffer))


@contextlib.contextmanager
def _without_core_dump() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if hard == 0:
        with _not_dumpable():
            yield
        return
    resource.setrlimit(resource.RLIMIT_CORE, (_NO_CORE, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


@contextlib.contextmanager
def _not_dumpable() -> Iterator[None]:
    """For a process whose limit can only be 0, so that it may be dumped to a program. It takes some of /proc/self from
    users other than root, which is why it is not for all."""
    prctl = ctypes.CDLL(None).prctl
    before = prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0)
    prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_DUMPABLE, int(before == 1), 0, 0, 0)
