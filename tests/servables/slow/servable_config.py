"""Stages that take as long as a test wants: they wait for files."""

import os
import time
from pathlib import Path

from mindspore_serving.server import register


def wait_for(path):
    """Leaves a file `<path>.entered.<pid>.<ns>`, then waits until `path` exists."""
    Path(f"{path}.entered.{os.getpid()}.{time.monotonic_ns()}").touch()
    while not os.path.exists(path):
        time.sleep(0.002)
    return os.getpid()


def identity(x):
    return x


@register.register_method(output_names=["pid"])
def gate(path):
    return register.add_stage(wait_for, path, outputs_count=1)


@register.register_method(output_names=["y"])
def echo(x):
    return register.add_stage(identity, x, outputs_count=1)
