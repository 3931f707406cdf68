"""A servable whose start does what the file `start` beside it says: nothing without it, `wait` until it changes,
`exit` to die silently, `raise` to fail with an error. Read at each start, so replacements can behave otherwise.
"""

import os
import time
from pathlib import Path

from mindspore_serving.server import register

_ORDER = Path(__file__).with_name("start")


def _order() -> str:
    return _ORDER.read_text() if _ORDER.exists() else ""


if _order() == "wait":
    _ORDER.with_name(f"waiting.{os.getpid()}").touch()
    while _order() == "wait":
        time.sleep(0.002)
if _order() == "exit":
    os._exit(9)
if _order() == "raise":
    raise RuntimeError("the order was to fail")


def identity(x):
    return x


@register.register_method(output_names=["y"])
def echo(x):
    return register.add_stage(identity, x, outputs_count=1)
