"""Lines of the Python and of the C++ half of one process: the same format, levels and places to go."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

# The C++ lines: an end point that listens (INFO), a request above the limit (WARNING), a worker's ring that makes no
# sense (ERROR).
SCRIPT = """
import os, threading
from mindspore_serving import log, server
from mindspore_serving.server._master import _core

log.debug("python says")
log.info("python says")
log.warning("python says")
log.error("python says")
server.start_grpc_server("127.0.0.1:0")
(loop,) = [thread.ident for thread in threading.enumerate() if thread.name == "serving-loop"]
print(f"numbers: {os.getpid()}:{loop}")
server.stop()
dispatcher = _core.Dispatcher(0)
channel = _core.Channel()
control, *_ = fds = channel.peer_fds()
worker = dispatcher.add_worker(channel, "s", 1, [("m", ["x"], ["y"], 0, 8, False)], True, "device0")
dispatcher.submit_json("s", "m", 1, b'{"instances": {"x": 1}}')
os.pwrite(control, b"\\xff" * os.fstat(control).st_size, 0)
os.eventfd_write(fds[-1], 1)
dispatcher.remove_worker(worker)
dispatcher.stop()
"""
LINE = re.compile(
    r"\[(DEBUG|INFO|WARNING|ERROR)\] SERVING\((\d+):(\d+),(\w+)\):\d{4}-\d\d-\d\d-\d\d:\d\d:\d\d\.\d{3}\.\d{3} "
    r"\[([^\]]+):\d+\] (.*)"
)
CPP_TEXTS = {
    "INFO": ("gRPC serves 127.0.0.1:0, port ",),
    "WARNING": ("A request was refused: Serving Error: enqueued requests count exceeds the limit 0",),
    "ERROR": (
        "The other end of a channel wrote a count that cannot be, the channel is closed",
        # when the thread that reads the channel is there before the worker is removed
        "The channel of worker device0 has been closed, its process is ended",
    ),
}
ORDER = ["DEBUG", "INFO", "WARNING", "ERROR"]


def run(**environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GLOG_", "MS_SUBMODULE_LOG_v"))}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env={**clean, **environ}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done


def levels(text: str) -> tuple[list[str], list[str]]:
    """The levels of the Python lines and of the C++ lines, of which every one must have the format."""
    python, cpp = [], []
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        assert match, line
        level, *_, name, place, message = match.groups()
        assert name == "MainProcess"
        if place.startswith("ccsrc/"):
            assert message.startswith(CPP_TEXTS[level])
            if level not in cpp:
                cpp.append(level)
        elif message == "python says":
            python.append(level)
    return python, cpp


@pytest.mark.parametrize(
    ("environ", "level"),
    [
        ({}, 2),
        ({"GLOG_v": "0"}, 0),
        ({"GLOG_v": "1"}, 1),
        ({"GLOG_v": "2"}, 2),
        ({"GLOG_v": "3"}, 3),
        ({"GLOG_v": "3", "MS_SUBMODULE_LOG_v": "{SERVING:0}"}, 0),
        ({"GLOG_v": "3", "MS_SUBMODULE_LOG_v": "{SERVING:1}"}, 1),
        ({"GLOG_v": "0", "MS_SUBMODULE_LOG_v": "{SERVING:2}"}, 2),
        ({"GLOG_v": "0", "MS_SUBMODULE_LOG_v": "{SERVING:3}"}, 3),
    ],
)
def test_levels_of_both_halves(environ, level):
    python, cpp = levels(run(**environ).stderr)
    assert python == ORDER[level:]
    assert cpp == [name for name in ORDER[level:] if name in CPP_TEXTS]


def test_both_halves_write_to_one_file(tmp_path: Path):
    environ = {"GLOG_v": "1", "GLOG_logtostderr": "0", "GLOG_log_dir": str(tmp_path), "GLOG_stderrthreshold": "3"}
    assert levels(run(**environ).stderr) == (["ERROR"], ["ERROR"])
    (file,) = tmp_path.glob("mindspore_serving.log.*")
    assert levels(file.read_text()) == (ORDER[1:], ORDER[1:])


def test_processes_and_threads_have_the_numbers_that_python_knows_them_by():
    done = run(GLOG_v="1")
    (listening,) = [line for line in done.stderr.splitlines() if "] gRPC serves " in line]
    numbers = re.search(r"^numbers: (\d+:\d+)$", done.stdout, re.MULTILINE)
    assert numbers
    assert f"SERVING({numbers[1]},MainProcess)" in listening
