"""A real server: a user's start-up script in a process and a directory of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from . import processes
from .waiting import wait_until

MARK = "SERVING_TEST_MARK"
"""An environment variable that the server's processes inherit; who carries it and outlives the server has leaked."""
_SCRIPT = "serving_server.py"
_MAY_STAY = {_SCRIPT, "serving_logs"}


# What a signal does depends on whether the main thread has ended, so it is another thread that tells of its end. Not by
# print: the interpreter's end aborts when a daemon thread has the lock of standard output.
_END = """

def tell_end():
    threading.main_thread().join()
    os.write(1, b'main returned\\n')


if __name__ == '__main__':
    main()
    threading.Thread(target=tell_end, daemon=True).start()
""".splitlines()


def start_script(
    configs: Sequence[dict[str, Any]],
    *,
    grpc: str = "",
    rest: str = "",
    before: str = "",
    after: str = "",
    front_ends: bool = True,
) -> str:
    """A start-up script as users write it, whose main function returns while the server goes on.

    `configs` are the arguments of `ServableStartConfig`; `grpc` and `rest` further arguments of the start calls.
    """
    lines = ["import os", "import threading", "", "from mindspore_serving import server", "", "", "def main():"]
    body = [before] if before else []
    body += [
        f"configs = [server.ServableStartConfig(**arguments) for arguments in {list(configs)!r}]",
        "server.start_servables(configs)",
    ]
    if front_ends:
        body += [
            f"server.start_grpc_server('127.0.0.1:0', {grpc})",
            f"server.start_restful_server('127.0.0.1:0', {rest})",
        ]
    body += [after] if after else []
    lines += ["    " + line for part in body for line in part.splitlines()]
    return "\n".join([*lines, *_END])


class ServerProcess:
    """Runs a start-up script and knows its addresses, its processes and what it said.

    Use as a context manager: leaving it asks the server to end with SIGTERM, wants exit code 0 and nothing left behind.
    """

    live: list[ServerProcess] = []
    """The servers that run now; a failed test's report shows their output."""

    def __init__(self, script: str, directory: Path, env: dict[str, str] | None = None) -> None:
        self.directory = directory
        self.expected_exit_code = 0
        self._mark = uuid.uuid4().hex
        directory.mkdir(parents=True, exist_ok=True)
        self._files_before = {path.name for path in directory.iterdir()}
        (directory / _SCRIPT).write_text(script)
        self._shared_memory = _shared_memory_names()
        self._lines: list[str] = []
        self._news = threading.Condition()
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, _SCRIPT],
            cwd=directory,
            env=_environment({**(env or {}), MARK: self._mark}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        ServerProcess.live.append(self)

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.stop()
        else:
            self.kill()

    # What it said

    @property
    def output(self) -> str:
        """Everything the script printed so far, standard output and error."""
        with self._news:
            return "".join(self._lines)

    def wait_for_line(self, pattern: str, timeout_s: float = 60.0) -> re.Match[str]:
        """Waits until a line matches; `AssertionError` when the process ends before, or after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        with self._news:
            while True:
                if match := re.search(pattern, "".join(self._lines), re.MULTILINE):
                    return match
                left = deadline - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    raise AssertionError(f"no line like {pattern!r} in the server's output:\n{self._report()}")
                self._news.wait(min(left, 0.2))

    def worker_logs(self) -> dict[str, str]:
        """The text of each file in serving_logs, by name."""
        folder = self.directory / "serving_logs"
        return {path.name: path.read_text(errors="replace") for path in sorted(folder.glob("*"))}

    def report(self) -> str:
        """Output and worker logs, for a failed test."""
        with self._news:
            return self._report()

    def _report(self) -> str:
        logs = [f"--- {name}\n{text[-6000:]}" for name, text in self.worker_logs().items()]
        code = self.process.poll()
        return "\n".join([f"--- server {self.process.pid}, exit code {code}", "".join(self._lines)[-8000:], *logs])

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._lines.append(line.decode(errors="replace"))
                self._news.notify_all()

    # Where it listens and what runs

    def wait_ready(self, timeout_s: float = 60.0) -> ServerProcess:
        """Waits for both front ends and for the end of the script's main function."""
        self.wait_for_line("^main returned", timeout_s)
        return self

    @property
    def grpc_address(self) -> str:
        return self.wait_for_line(r"Serving gRPC server start success, listening on (\S+)").group(1)

    @property
    def rest_address(self) -> str:
        return self.wait_for_line(r"Serving RESTful server start success, listening on (\S+)").group(1)

    @property
    def pid(self) -> int:
        return self.process.pid

    def workers(self) -> list[int]:
        """The pids of the worker processes, oldest first."""
        return [pid for pid in processes.children(self.pid) if "_worker" in processes.command_line(pid)]

    def wait_workers(self, count: int, other_than: Sequence[int] = (), timeout_s: float = 30.0) -> list[int]:
        """Waits until there are `count` workers, none of them among `other_than`."""

        def found() -> list[int]:
            workers = [pid for pid in self.workers() if pid not in other_than]
            return workers if len(workers) == count else []

        return wait_until(found, f"{count} new workers", timeout_s)

    def resources(self) -> dict[int, processes.Resources]:
        """Descriptors and threads of the master and of each worker."""
        return {pid: processes.resources(pid) for pid in [self.pid, *self.workers()]}

    # Its end

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait_exit(self, timeout_s: float = 20.0) -> int:
        """The exit code; raises `AssertionError` when the process does not end in time."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server did not end within {timeout_s:g} s:\n{self.report()}") from None
        self._reader.join(10)
        return code

    def stop(self) -> None:
        """SIGTERM, exit code 0, nothing left behind."""
        try:
            if self.process.poll() is None:
                self.signal(signal.SIGTERM)
            code = self.wait_exit()
            assert code == self.expected_exit_code, f"exit code {code}:\n{self.report()}"
            self.assert_nothing_left()
        finally:
            self.kill()

    def kill(self) -> None:
        """The hard end of everything that belongs to this server; for failed tests and tests of its master's death."""
        if self in ServerProcess.live:
            ServerProcess.live.remove(self)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pid in processes.marked(MARK, self._mark):
            os.kill(pid, signal.SIGKILL)
        self._reader.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def processes_left(self) -> list[int]:
        """Live processes of this server, wherever they hang."""
        return processes.marked(MARK, self._mark)

    def assert_nothing_left(self, timeout_s: float = 15.0) -> None:
        """No process, no shared memory and no file but the script and the logs remains."""
        wait_until(
            lambda: not self.processes_left(), f"the end of all processes of the server\n{self.report()}", timeout_s
        )
        assert _shared_memory_names() <= self._shared_memory
        left = {path.name for path in self.directory.iterdir()} - self._files_before - _MAY_STAY
        assert not left, f"left in the working directory: {left}"


def _shared_memory_names() -> set[str]:
    return set(os.listdir("/dev/shm"))


def _environment(extra: dict[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GLOG_", "SERVING_"))}
    return {**inherited, **extra}
