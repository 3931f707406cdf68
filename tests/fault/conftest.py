"""How the fault tests start their servers. Every fault happens after the script's main function has returned."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.server_process import ServerProcess, start_script

Start = Callable[..., contextlib.AbstractContextManager[ServerProcess]]


@pytest.fixture
def start(servables: Path, tmp_path: Path) -> Start:
    """`start(servable, **config)`: a ready server with one servable, as a context manager."""

    @contextlib.contextmanager
    def run(servable: str, **config: object) -> Iterator[ServerProcess]:
        arguments = {"servable_directory": str(servables), "servable_name": servable, "device_ids": 0, **config}
        with ServerProcess(start_script([arguments]), tmp_path / "server", env={"GLOG_v": "1"}) as server:
            yield server.wait_ready()

    return run


@pytest.fixture
def order(servables: Path) -> Iterator[Callable[[str], None]]:
    """Tells the servable `starting` what its next start should do; see there."""
    file = servables / "starting" / "start"
    yield lambda text: file.write_text(text) and None
    file.unlink(missing_ok=True)
    for waiting in file.parent.glob("waiting.*"):
        waiting.unlink()


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """The path of a file that the servable `slow` waits for."""
    return tmp_path / "gate"
