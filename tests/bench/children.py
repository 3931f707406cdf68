"""The reference servers and the measured loops: child processes that end when their standard input does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from .load import Sample

_HERE = Path(__file__).resolve().parent
_REPOSITORY = _HERE.parents[1]
_SETTINGS = {"ONEDNN_MAX_CPU_ISA", "MINDSPORE_SERVING_ENGINE", "MINDSPORE_SERVING_ENGINE_THREADS", "OMP_NUM_THREADS"}
"""Variables of the user's that would change what is compared."""


class Child:
    """A process whose first word (a line with `ready`) is awaited. Use as a context manager."""

    def __init__(self, command: list[str], ready: str, env: dict[str, str] | None = None) -> None:
        self._started_at = time.perf_counter()
        environment = {name: value for name, value in os.environ.items() if name not in _SETTINGS} | (env or {})
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        while ready not in (line := self._process.stdout.readline()):
            if not line:
                self.close()
                raise RuntimeError(f"{command} ended before it was ready, exit code {self._process.wait()}")
        self.start_s = time.perf_counter() - self._started_at
        self.first_line = line.strip()

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process through its standard input."""
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        return self._process.pid


class EchoServer(Child):
    """A reference server on a port of its own."""

    def __init__(self, command: list[str]) -> None:
        super().__init__(command, "listening on")
        self.address = self.first_line.rpartition(" ")[2]


class TimedLoop(Child):
    """A program that runs a loop for as long as asked: see `loops/timed_loop.py` and `reference/timed_loop.h`."""

    def __init__(self, command: list[str], items_per_call: int = 1, env: dict[str, str] | None = None) -> None:
        super().__init__(command, "ready", env)
        self._items_per_call = items_per_call

    def measure(self, _in_flight: int, seconds: float) -> Sample:
        """Runs the loop for `seconds`, once at least."""
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        result = json.loads(self._process.stdout.readline())
        mean_s = result["seconds"] / result["calls"]
        return Sample(self._items_per_call / mean_s, mean_s)


class LoopChild(TimedLoop):
    """A script of `loops/`."""

    def __init__(
        self, script: str, *arguments: str, items_per_call: int = 1, env: dict[str, str] | None = None
    ) -> None:
        super().__init__([sys.executable, str(_HERE / "loops" / script), *arguments], items_per_call, env)


def build(folder: Path, target: str) -> str:
    """Builds a program of `reference/` where it is not up to date; returns its path."""
    options = ["-DSERVING_BUILD_BENCH=ON", "-DSERVING_BUILD_EXTENSIONS=OFF", "-DSERVING_BUILD_TESTS=OFF"]
    run_quietly(["cmake", "-S", str(_REPOSITORY), "-B", str(folder), *options])
    run_quietly(["cmake", "--build", str(folder), "--target", target])
    return str(folder / "tests" / "bench" / "reference" / target)


def grpc_echo(build_folder: Path) -> EchoServer:
    """The bare echo on the C++ gRPC library."""
    return EchoServer([build(build_folder, "grpc_echo")])


def aiohttp_echo() -> EchoServer:
    """The bare echo on aiohttp and uvloop."""
    return EchoServer([sys.executable, str(_HERE / "reference" / "aiohttp_echo.py")])


def export_model(folder: Path, name: str) -> Path:
    """A MindIR of tests/models, exported by MindSpore in a process of its own."""
    run_quietly([sys.executable, str(_REPOSITORY / "tests" / "models" / "export.py"), str(folder), name])
    return folder / f"{name}.mindir"


def run_quietly(command: list[str]) -> None:
    """Runs it to its end; `RuntimeError` with what it printed when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}")
