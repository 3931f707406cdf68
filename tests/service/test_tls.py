"""TLS and mutual TLS on both ports: who gets in, and who does not."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import ssl
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from mindspore_serving.client import Client, SSLConfig, aio
from tests.harness.certificates import Authority
from tests.harness.grpc_client import GrpcClient
from tests.harness.http_client import HttpClient, RawConnection, post_bytes
from tests.harness.server_process import ServerProcess, start_script
from tests.harness.settled import resources_come_back


@dataclasses.dataclass(frozen=True)
class Identity:
    """What a client shows, if anything, and whom it trusts."""

    shown: Authority | None
    trusted: Authority

    def files(self) -> list[str | None]:
        """Certificate, key, authority."""
        pair = [self.shown.path("client.crt"), self.shown.path("client.key")] if self.shown else [None, None]
        return [*pair, self.trusted.path("ca.crt")]

    def credentials(self) -> grpc.ChannelCredentials:
        chain, key, root = [path and Path(path).read_bytes() for path in self.files()]
        return grpc.ssl_channel_credentials(root, key, chain)

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.trusted.path("ca.crt"))
        if self.shown:
            context.load_cert_chain(*self.files()[:2])
        return context


class Refused(Exception):
    """The connection came to nothing."""


def by_grpc(server: ServerProcess, identity: Identity, x: Any) -> Any:
    with GrpcClient(server.grpc_address, credentials=identity.credentials()) as client:
        try:
            return client.call("basic", "echo", {"x": x}).values[0]["y"]
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            raise Refused from error


def by_our_client(server: ServerProcess, identity: Identity, x: Any) -> Any:
    return _value(_infer(server.grpc_address, identity, x))


def by_our_aio_client(server: ServerProcess, identity: Identity, x: Any) -> Any:
    return _value(_infer_aio(server.grpc_address, identity, x))


def _infer(address: str, identity: Identity, x: Any) -> Any:
    config = SSLConfig(*identity.files())
    with Client(address, "basic", "echo", ssl_config=config, timeout_s=30) as client:
        return client.infer({"x": x})


def _infer_aio(address: str, identity: Identity, x: Any) -> Any:
    async def ask() -> Any:
        config = SSLConfig(*identity.files())
        async with aio.Client(address, "basic", "echo", ssl_config=config, timeout_s=30) as client:
            return await client.infer({"x": x})

    return asyncio.run(ask())


def _value(result: Any) -> Any:
    if isinstance(result, dict):
        assert result["error"].startswith("Grpc Error, (14, 'unavailable')")
        raise Refused
    return result[0]["y"]


def by_http(server: ServerProcess, identity: Identity, x: Any) -> Any:
    with HttpClient(server.rest_address, context=identity.context()) as client:
        try:
            return np.array(client.call("basic", "echo", {"x": x.tolist()}).instances[0]["y"], x.dtype)
        except (ssl.SSLError, ConnectionError) as error:
            raise Refused from error


Ask = Callable[[ServerProcess, Identity, Any], Any]


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Authority]:
    """`ours` signs for the server and for those it knows, `foreign` for others."""
    made = {name: Authority(tmp_path_factory.mktemp(name)) for name in ("ours", "foreign")}
    made["ours"].issue("server")
    for authority in made.values():
        authority.issue("client")
    return made


@pytest.fixture(scope="module", params=["one way", "mutual"])
def server(
    request: pytest.FixtureRequest,
    authorities: dict[str, Authority],
    servables: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServerProcess]:
    """A server with TLS on both ports, whose process trusts the foreign authority as a system does its own."""
    ours, foreign = authorities["ours"], authorities["foreign"].path("ca.crt")
    files = [ours.path("server.crt"), ours.path("server.key"), ours.path("ca.crt")]
    given = f"ssl_config=server.SSLConfig(*{files!r}, verify_client={request.param == 'mutual'})"
    config = {"servable_directory": str(servables), "servable_name": "basic"}
    trusting = {"SSL_CERT_FILE": foreign, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": foreign}
    script = start_script([config], grpc=given, rest=given)
    known = Identity(ours, ours)

    def touch() -> None:
        for ask in (by_grpc, by_http):
            ask(started, known, np.ones(100_000, np.int32))

    with ServerProcess(script, tmp_path_factory.mktemp("tls"), trusting) as started:
        started.wait_ready()
        with resources_come_back(started, touch):
            yield started


@pytest.mark.parametrize("ask", [by_grpc, by_our_client, by_our_aio_client, by_http])
@pytest.mark.parametrize(
    ("shown", "trusted", "let_in"),
    [
        ("ours", "ours", ("one way", "mutual")),
        (None, "ours", ("one way",)),
        ("foreign", "ours", ("one way",)),
        ("ours", "foreign", ()),
        (None, "foreign", ()),
    ],
)
def test_who_is_let_in(
    request: pytest.FixtureRequest,
    server: ServerProcess,
    authorities: dict[str, Authority],
    ask: Ask,
    shown: str | None,
    trusted: str,
    let_in: tuple[str, ...],
) -> None:
    identity = Identity(authorities.get(shown), authorities[trusted])
    if request.node.callspec.params["server"] in let_in:
        assert ask(server, identity, np.int32(5)) == 5
    else:
        with pytest.raises(Refused):
            ask(server, identity, np.int32(5))


def test_failed_handshakes_are_told(
    request: pytest.FixtureRequest, server: ServerProcess, authorities: dict[str, Authority]
) -> None:
    """With the client's address and the reason; a client that only looks whether the port is open is no failure."""
    ours, foreign = authorities["ours"], authorities["foreign"]
    reasons = {Identity(ours, foreign): "TLSV1_ALERT_UNKNOWN_CA"}
    if request.node.callspec.params["server"] == "mutual":
        reasons[Identity(None, ours)] = "PEER_DID_NOT_RETURN_A_CERTIFICATE"
        reasons[Identity(foreign, ours)] = "CERTIFICATE_VERIFY_FAILED"
    for identity, reason in reasons.items():
        with RawConnection(server.rest_address) as raw, contextlib.suppress(ssl.SSLError):
            port = raw.socket.getsockname()[1]
            secure = identity.context().wrap_socket(raw.socket, server_hostname="127.0.0.1")
            secure.recv(1)
        told = rf"\[WARNING\] .*TLS handshake with the RESTful client 127.0.0.1 port {port} failed: .*{reason}"
        server.wait_for_line(told)
    with RawConnection(server.rest_address) as raw:
        port = raw.socket.getsockname()[1]
    with GrpcClient(server.grpc_address) as client, pytest.raises(grpc.RpcError):
        client.call("basic", "echo", {"x": np.int32(5)})
    server.wait_for_line(r"\[WARNING\] .*gRPC: .*[Hh]andshake")
    assert f" port {port} " not in server.output


def test_a_unix_socket(authorities: dict[str, Authority], servables: Path, tmp_path: Path) -> None:
    """There the server's certificate is taken as that of localhost."""
    ours, foreign = authorities["ours"], authorities["foreign"]
    given = f"server.SSLConfig({ours.path('server.crt')!r}, {ours.path('server.key')!r})"
    script = start_script(
        [{"servable_directory": str(servables), "servable_name": "basic"}],
        after=f"server.start_grpc_server('unix:serving.sock', ssl_config={given})",
        front_ends=False,
    )
    with ServerProcess(script, tmp_path / "server") as started:
        started.wait_ready()
        address = f"unix:{started.directory}/serving.sock"
        for ask in (_infer, _infer_aio):
            assert _value(ask(address, Identity(None, ours), np.int32(5))) == 5
            with pytest.raises(Refused):
                _value(ask(address, Identity(None, foreign), np.int32(5)))


@pytest.mark.parametrize("ask", [by_grpc, by_http])
def test_large_messages(server: ServerProcess, authorities: dict[str, Authority], ask: Ask) -> None:
    x = np.arange(300_000, dtype=np.int32)
    np.testing.assert_array_equal(ask(server, Identity(authorities["ours"], authorities["ours"]), x), x)


def test_clients_without_tls_are_refused(server: ServerProcess) -> None:
    with GrpcClient(server.grpc_address) as client, pytest.raises(grpc.RpcError) as raised:
        client.call("basic", "echo", {"x": np.int32(5)})
    assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
    with HttpClient(server.rest_address) as http_client, pytest.raises(ConnectionError):
        http_client.call("basic", "echo", {"x": 5})


def _handshake(address: str, identity: Identity, version: ssl.TLSVersion) -> str | None:
    """The version agreed on."""
    context = identity.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    if version < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # else OpenSSL would not even try
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        return secure.version()


@pytest.mark.parametrize("port", ["grpc_address", "rest_address"])
def test_versions(server: ServerProcess, authorities: dict[str, Authority], port: str) -> None:
    address, known = getattr(server, port), Identity(authorities["ours"], authorities["ours"])
    assert _handshake(address, known, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    if port == "rest_address":  # gRPC's library has 1.3 in its newer versions
        assert _handshake(address, known, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises(ssl.SSLError) as raised:
            _handshake(address, known, version)
        # Refused there, with an alert or by closing the connection in one way or the other, and not here
        # (NO_PROTOCOLS_AVAILABLE).
        refused = raised.value.reason in ("TLSV1_ALERT_PROTOCOL_VERSION", "UNEXPECTED_EOF_WHILE_READING")
        assert refused or isinstance(raised.value, ssl.SSLZeroReturnError), raised.value


def test_failed_handshakes_do_not_fill_the_output(server: ServerProcess, authorities: dict[str, Authority]) -> None:
    lines_before = server.output.count("\n")
    for address in (server.grpc_address, server.rest_address):
        for _ in range(100):
            with RawConnection(address) as raw:
                raw.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
                assert raw.closed_by_server()
    known = Identity(authorities["ours"], authorities["ours"])
    assert by_grpc(server, known, np.int32(5)) == by_http(server, known, np.int32(5)) == 5
    assert server.output.count("\n") - lines_before < 100, server.output


def test_a_client_with_tls_and_a_server_without(plain_server: ServerProcess, authorities: dict[str, Authority]) -> None:
    for ask in (by_grpc, by_http):
        with pytest.raises(Refused):
            ask(plain_server, Identity(None, authorities["ours"]), np.int32(5))


def test_silent_clients_count_before_tls_has_begun(
    authorities: dict[str, Authority], servables: Path, tmp_path: Path
) -> None:
    """1. More connect than may, and say nothing. 2. Those too many are let go. 3. The others can still begin."""
    ours, most = authorities["ours"], 3
    files = [ours.path("server.crt"), ours.path("server.key")]
    given = f"ssl_config=server.SSLConfig(*{files!r}), limits=server.RequestLimits(max_connections={most})"
    config = {"servable_directory": str(servables), "servable_name": "basic"}
    context = Identity(None, ours).context()
    with ServerProcess(start_script([config], rest=given), tmp_path) as server, contextlib.ExitStack() as exits:
        server.wait_ready()
        silent = [exits.enter_context(RawConnection(server.rest_address)) for _ in range(30)]
        for one in silent[most:]:
            assert one.closed_by_server()
        for one in silent[:most]:
            with context.wrap_socket(one.socket, server_hostname="127.0.0.1") as secure:
                secure.sendall(post_bytes("/model/basic:echo", b'{"instances":{"x":1}}'))
                assert secure.recv(100).startswith(b"HTTP/1.1 200 ")
