"""The child's side of a measured loop: for each line of standard input (seconds) it calls a function over and over for
that long and prints one line of JSON with how often it did. See `..children.LoopChild` for the other side.
"""

import json
import sys
import time
from collections.abc import Callable


def serve(call: Callable[[], object]) -> None:
    """Prints "ready", then measures `call` as asked until standard input ends."""
    call()
    print("ready", flush=True)
    for line in sys.stdin:
        seconds = float(line)
        calls = 0
        started = now = time.perf_counter()
        while now - started < seconds:
            call()
            calls += 1
            now = time.perf_counter()
        print(json.dumps({"calls": calls, "seconds": now - started}), flush=True)
