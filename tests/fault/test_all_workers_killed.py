"""All workers are killed at once."""

from __future__ import annotations

import os
import signal

from tests.fault.conftest import Start
from tests.harness.traffic import Traffic


def test_traffic_goes_on_with_the_replacements(start: Start) -> None:
    with start("crash", device_ids=(0, 1)) as server, Traffic(server.grpc_address, "crash") as traffic:
        traffic.wait_for_more()
        old = server.workers()
        for worker in old:
            os.kill(worker, signal.SIGKILL)
        server.wait_workers(2, other_than=old)
        traffic.wait_for_more()
        assert traffic.errors == []
        assert traffic.refused == []
