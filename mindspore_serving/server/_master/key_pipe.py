"""How the key of encrypted models gets to a worker: through a pipe that it inherits."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def key_pipe(key: bytes | None) -> Iterator[int | None]:
    """Inside the block, the descriptor that a worker started there reads the key from; None without a key.

    It goes from the user's own object into the kernel: this process gets no second copy of it.
    """
    if key is None:
        yield None
        return
    reading, writing = os.pipe()
    try:
        try:
            os.write(writing, key)
        finally:
            os.close(writing)
        yield reading
    finally:
        os.close(reading)
