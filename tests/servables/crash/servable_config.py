"""Stages that kill their worker when told to."""

import os
import signal
from pathlib import Path

from mindspore_serving.server import register


def die(how):
    """Ends the process: by `os._exit` for 1, by SIGKILL for 2, by SIGSEGV for 3; anything else is given back."""
    if how == 1:
        os._exit(1)
    if how in (2, 3):
        os.kill(os.getpid(), signal.SIGKILL if how == 2 else signal.SIGSEGV)
    return how


def die_and_count(folder):
    """Leaves a file in the folder, then kills its worker."""
    Path(folder, str(os.getpid())).touch()
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(path):
    """Kills its worker unless the file exists, which it makes before."""
    if not os.path.exists(path):
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def overwrite_then_die_once(x, path):
    """Changes its input in place before the worker dies: the second try must not see that."""
    x += 1
    die_once(path)
    return x


def identity(x):
    return x


@register.register_method(output_names=["how"])
def kill(how):
    return register.add_stage(die, how, outputs_count=1)


@register.register_method(output_names=["never"])
def poison(folder):
    return register.add_stage(die_and_count, folder, outputs_count=1)


@register.register_method(output_names=["text"])
def once(path):
    return register.add_stage(die_once, path, outputs_count=1)


@register.register_method(output_names=["y"])
def change_and_die_once(x, path):
    return register.add_stage(overwrite_then_die_once, x, path, outputs_count=1)


@register.register_method(output_names=["y"])
def echo(x):
    return register.add_stage(identity, x, outputs_count=1)
