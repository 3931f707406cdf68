"""The wire forms stay as recorded in `golden/`: what protobuf's library sends, and what a real server answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract import golden
from tests.contract.golden import JSON_CASES, PROTOBUF_CASES, Case
from tests.harness.grpc_client import GrpcClient
from tests.harness.http_client import HttpClient
from tests.harness.server_process import ServerProcess

PROTOBUF = golden.read("protobuf.txt")
JSON = golden.read("json.txt")


@pytest.fixture(scope="module")
def server(servables: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with golden.serve_cases(tmp_path_factory.mktemp("golden"), servables) as server:
        yield server.wait_ready()


def test_every_case_is_recorded_and_no_other() -> None:
    assert list(PROTOBUF) == [case.name for case in PROTOBUF_CASES]
    assert list(JSON) == [case.name for case in JSON_CASES]


@pytest.mark.parametrize("case", PROTOBUF_CASES, ids=lambda case: case.name)
def test_protobuf(server: ServerProcess, case: Case) -> None:
    request, reply = PROTOBUF[case.name]
    assert golden.request_bytes(case).hex() == request
    with GrpcClient(server.grpc_address) as client:
        assert golden.ask_grpc(client, request) == reply


@pytest.mark.parametrize("case", JSON_CASES, ids=lambda case: case.name)
def test_json(server: ServerProcess, case: Case) -> None:
    request, reply = JSON[case.name]
    assert golden.request_body(case) == request
    with HttpClient(server.rest_address) as client:
        assert golden.ask_http(client, case) == reply
