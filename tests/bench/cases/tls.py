"""What TLS costs."""

from __future__ import annotations

from pathlib import Path

import grpc
import numpy as np

from ...harness.certificates import Authority
from ...harness.server_process import ServerProcess, start_script
from ..bench import Bench
from ..rows import LoadRow, Row, Target

_SQUARE = np.array([[1, 2], [3, 4]], np.float32)


def grpc_tls(bench: Bench) -> list[Row]:
    """A Python stage that does nothing, behind TLS with a client that keeps its connections; against itself without."""
    authority = Authority(bench.folder / "tls-authority")
    authority.issue("server")
    files = [authority.path("server.crt"), authority.path("server.key")]
    config = {"servable_directory": str(bench.servables), "servable_name": "identity"}
    script = start_script([config], grpc=f"ssl_config=server.SSLConfig(*{files!r})")
    credentials = grpc.ssl_channel_credentials(Path(authority.path("ca.crt")).read_bytes())
    inputs = ("identity", {"x": _SQUARE}, {"y": _SQUARE})
    plain = bench.grpc_load(bench.server("identity"), *inputs)
    rows: list[LoadRow] = []
    with ServerProcess(script, bench.folder / "tls-server") as server:
        secure = bench.grpc_load(server.wait_ready(), *inputs, credentials=credentials)
        for in_flight, target in ((1, None), (64, Target("rate ratio", at_least=0.6))):
            rows.append(
                bench.rounds_of(f"gRPC over TLS, identity 2x2, {in_flight} in flight", target, in_flight, secure, plain)
            )
    return rows
