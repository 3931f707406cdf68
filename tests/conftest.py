"""Fixtures of the tests that run a real server, and the output of those servers in the report of a failed test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.harness import processes
from tests.harness.cpp_client import install_cpp_client
from tests.harness.server_process import ServerProcess
from tests.harness.waiting import wait_until

_HERE = Path(__file__).resolve().parent

# The same examples each time; SERVING_TEST_EXAMPLES asks for more of them than CI has time for.
hypothesis.settings.register_profile(
    "tests",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=int(os.environ.get("SERVING_TEST_EXAMPLES", "100")),
)
hypothesis.settings.load_profile("tests")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """Adds what the running servers said to the report of a failed test."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for server in ServerProcess.live:
            report.sections.append((f"server {server.pid}", server.report()))


@pytest.fixture(autouse=True, scope="session")
def conversion_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Converted models are kept for this run of the tests, not for the user who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("MINDSPORE_SERVING_CACHE_DIR", str(folder))
        for name in ("MINDSPORE_SERVING_ENGINE", "MINDSPORE_SERVING_ENGINE_THREADS"):
            patch.delenv(name, raising=False)
        yield folder


@pytest.fixture(scope="session")
def servables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of tests/servables that tests may add to; `models` there has no version directory yet."""
    copy = tmp_path_factory.mktemp("servables") / "servables"
    shutil.copytree(_HERE / "servables", copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="session")
def exported_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the MindIR models of tests/models, exported once a session in a process of its own."""
    folder = tmp_path_factory.mktemp("models")
    command = [sys.executable, str(_HERE / "models" / "export.py"), str(folder)]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture(scope="session")
def servables_with_models(servables: Path, exported_models: Path) -> Path:
    """The copy of tests/servables with the exported models as version 1 of `models`."""
    version = servables / "models" / "1"
    version.mkdir()
    for file in exported_models.glob("*.mindir"):
        shutil.copy(file, version)
    return servables


@pytest.fixture(scope="session")
def cpp_client_prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the C++ client is installed."""
    prefix = tmp_path_factory.mktemp("installed")
    install_cpp_client(prefix)
    return prefix


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers; each is stopped at the end of the module and checked to leave nothing behind."""
    servers: list[ServerProcess] = []

    def start(script: str, env: dict[str, str] | None = None) -> ServerProcess:
        server = ServerProcess(script, tmp_path_factory.mktemp("server"), env)
        servers.append(server)
        return server

    yield start
    for server in reversed(servers):
        server.stop()


@pytest.fixture(autouse=True, scope="module")
def no_leaks() -> Iterator[None]:
    """After every module: this process has no child and no descriptor more than before, and /dev/shm is as it was."""
    children, shared_memory = set(processes.children(os.getpid())), set(os.listdir("/dev/shm"))
    yield
    wait_until(lambda: set(processes.children(os.getpid())) <= children, "the end of all child processes")
    left = set(os.listdir("/dev/shm")) - shared_memory
    assert not left, f"left in /dev/shm: {left}"
