"""The C++ client, installed and used by a program of its own, against a real server."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness.certificates import Authority
from tests.harness.closing_server import closing_server
from tests.harness.cpp_client import build_program
from tests.harness.server_process import ServerProcess, start_script

_SOURCE = Path(__file__).resolve().parents[1] / "cpp_client_program"

Run = Callable[..., str]


@pytest.fixture(scope="module")
def run(cpp_client_prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a scenario of the program, which must succeed, and gives what it printed."""
    program = build_program(_SOURCE, tmp_path_factory.mktemp("build"), cpp_client_prefix)

    def run(*arguments: str, directory: Path | None = None) -> str:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120, cwd=directory)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_what_is_installed(run: Run, cpp_client_prefix: Path) -> None:
    files = {str(path.relative_to(cpp_client_prefix)) for path in cpp_client_prefix.rglob("*") if path.is_file()}
    assert {file for file in files if file.endswith(".h")} == {"include/mindspore_serving/client.h"}
    (library,) = (file for file in files if file.endswith("libmindspore_serving_client.so"))
    needed = subprocess.run(["readelf", "-d", cpp_client_prefix / library], capture_output=True, text=True, check=True)
    assert "libgrpc++" in needed.stdout
    assert "simdjson" not in needed.stdout


def test_values_there_and_back(run: Run, plain_server: ServerProcess) -> None:
    assert run("values", plain_server.grpc_address) == ""


def test_ip_and_port(run: Run, plain_server: ServerProcess) -> None:
    assert run("ip_and_port", *plain_server.grpc_address.split(":")) == ""


def test_results_and_errors_of_instances(run: Run, plain_server: ServerProcess) -> None:
    status, first, failed, last = run(
        "instances", plain_server.grpc_address, "failing", "raises", "1", "-1", "2"
    ).splitlines()
    assert (status, first, last) == ("SUCCESS", "y 1", "y 2")
    assert failed.startswith("error 3: ")
    assert "negative value -1" in failed


def test_errors_of_the_whole_request(run: Run, plain_server: ServerProcess) -> None:
    address = plain_server.grpc_address
    status, request, *instances = run("instances", address, "basic", "no_such", "1", "2").splitlines()
    assert status == "SUCCESS"
    assert request.startswith("request: error 2: ")
    assert "method is not available" in request
    assert instances == [request.removeprefix("request: ")] * 2
    status, request = run("instances", address, "basic", "echo").splitlines()
    assert "instances count" in request


def test_time_out(run: Run, plain_server: ServerProcess, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    try:
        lines = run("timeout", plain_server.grpc_address, str(gate)).splitlines()
    finally:
        gate.touch()
    assert len(lines) == 2
    assert all(line.startswith("FAILED: Grpc Error, (4, 'deadline exceeded'), ") for line in lines)


def test_sizes(run: Run, plain_server: ServerProcess) -> None:
    lines = run("sizes", plain_server.grpc_address).splitlines()
    assert len(lines) == 2
    assert all(line.startswith("FAILED: Grpc Error, (8, 'resource exhausted'), ") for line in lines)


def test_one_client_in_many_threads(run: Run, plain_server: ServerProcess) -> None:
    assert run("threads", plain_server.grpc_address) == ""


def test_nobody_listens(run: Run, tmp_path: Path) -> None:
    assert run("connect", f"unix:{tmp_path}/nobody").startswith("FAILED: Grpc Error, (14, 'unavailable'), ")


def test_wrong_use_is_told_before_anything_is_sent(run: Run) -> None:
    lines = run("wrong_use").splitlines()
    assert lines == [
        "INVALID_INPUTS: Input 'forgotten' of instance 0 has no value",
        "INVALID_INPUTS: Parameter 'reply' should not be null",
        "INVALID_INPUTS: Parameter 'address' should not be empty, and valid UTF-8",
        "INVALID_INPUTS: Parameter 'method_name' should not be empty, and valid UTF-8",
        "INVALID_INPUTS: Parameter 'timeout' should be >= 0",
    ]


def test_a_unix_socket(run: Run, servables: Path, tmp_path: Path) -> None:
    config = {"servable_directory": str(servables), "servable_name": "basic"}
    script = start_script([config], after="server.start_grpc_server('unix:serving.sock')", front_ends=False)
    with ServerProcess(script, tmp_path / "server") as server:
        server.wait_ready()
        for address in ("unix:serving.sock", f"unix:{server.directory}/serving.sock"):
            assert run("connect", address, directory=server.directory) == "y 7\n"


def test_a_server_that_closes_each_connection(run: Run) -> None:
    with closing_server() as address:
        assert run("connect", address).startswith("FAILED: Grpc Error, (14, 'unavailable'), ")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    authority.issue("server")
    authority.issue("client")
    return authority


@pytest.fixture(scope="module")
def tls_server(
    authority: Authority, servables: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A server that asks for a certificate."""
    files = [authority.path(file) for file in ("server.crt", "server.key", "ca.crt")]
    config = {"servable_directory": str(servables), "servable_name": "basic"}
    script = start_script([config], grpc=f"ssl_config=server.SSLConfig(*{files!r}, verify_client=True)")
    with ServerProcess(script, tmp_path_factory.mktemp("tls")) as server:
        yield server.wait_ready()


def test_tls(run: Run, tls_server: ServerProcess, authority: Authority, tmp_path: Path) -> None:
    foreign = Authority(tmp_path / "foreign")
    ca, certificate, key = (authority.path(file) for file in ("ca.crt", "client.crt", "client.key"))
    address = tls_server.grpc_address
    assert run("connect", address, ca, certificate, key) == "y 7\n"
    for refused in [[], [ca], [foreign.path("ca.crt"), certificate, key], ["", certificate, key]]:
        assert run("connect", address, *refused).startswith("FAILED: Grpc Error, (14, 'unavailable'), ")
    together = "INVALID_INPUTS: The certificate and private_key should be passed at the same time\n"
    assert run("connect", address, ca, certificate) == together
    missing = str(tmp_path / "none")
    expected = f"INVALID_INPUTS: Cannot read custom_ca '{missing}': No such file or directory\n"
    assert run("connect", address, missing) == expected
    assert "Cannot read private_key" in run("connect", address, ca, certificate, str(tmp_path))


def test_tls_over_a_unix_socket(run: Run, authority: Authority, servables: Path, tmp_path: Path) -> None:
    files = [authority.path(file) for file in ("server.crt", "server.key", "ca.crt")]
    config = {"servable_directory": str(servables), "servable_name": "basic"}
    start = f"server.start_grpc_server('unix:serving.sock', ssl_config=server.SSLConfig(*{files!r}))"
    with ServerProcess(start_script([config], after=start, front_ends=False), tmp_path / "server") as server:
        server.wait_ready()
        address, ca = "unix:serving.sock", authority.path("ca.crt")
        assert run("connect", address, ca, directory=server.directory) == "y 7\n"
        refused = run("connect", address, Authority(tmp_path / "foreign").path("ca.crt"), directory=server.directory)
        assert refused.startswith("FAILED: Grpc Error, (14, 'unavailable'), ")
