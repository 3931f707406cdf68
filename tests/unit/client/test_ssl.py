"""`SSLConfig`, and TLS with and without a certificate of the client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from mindspore_serving.client import Client, SSLConfig
from tests.harness.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    authority.issue("server")
    authority.issue("client")
    return authority


def start_with_tls(server: Any, authority: Authority, ask_client: bool) -> str:
    def read(file: str) -> bytes:
        return Path(authority.path(file)).read_bytes()

    credentials = grpc.ssl_server_credentials(
        [(read("server.key"), read("server.crt"))], read("ca.crt") if ask_client else None, ask_client
    )
    port = server.server.add_secure_port("127.0.0.1:0", credentials)
    server.server.start()
    return f"127.0.0.1:{port}"


def infer(address: str, config: SSLConfig | None) -> Any:
    with Client(address, "a", "m", ssl_config=config, timeout_s=30) as client:
        return client.infer({"x": np.float32(1)})


def test_one_way(server: Any, authority: Authority) -> None:
    address = start_with_tls(server, authority, ask_client=False)
    assert infer(address, SSLConfig(custom_ca=authority.path("ca.crt"))) == [{"x": np.float32(1)}]
    assert infer(address, SSLConfig())["error"].startswith("Grpc Error, (14, 'unavailable')")
    assert "error" in infer(address, None)
    assert len(server.requests) == 1


def test_mutual(server: Any, authority: Authority) -> None:
    address = start_with_tls(server, authority, ask_client=True)
    ca = authority.path("ca.crt")
    assert infer(address, SSLConfig(authority.path("client.crt"), authority.path("client.key"), ca)) == [
        {"x": np.float32(1)}
    ]
    assert infer(address, SSLConfig(custom_ca=ca))["error"].startswith("Grpc Error, (14, 'unavailable')")
    assert len(server.requests) == 1


def test_the_paths_are_kept() -> None:
    config = SSLConfig("a.crt", "a.key", "ca.crt")
    assert (config.certificate, config.private_key, config.custom_ca) == ("a.crt", "a.key", "ca.crt")


@pytest.mark.parametrize("parameter", ["certificate", "private_key", "custom_ca"])
@pytest.mark.parametrize(("value", "text"), [("", "should not be empty str"), (b"x", "should be str, but actually")])
def test_a_path_is_a_text(parameter: str, value: Any, text: str) -> None:
    with pytest.raises(RuntimeError, match=f"Parameter '{parameter}' {text}"):
        SSLConfig(**{parameter: value})


@pytest.mark.parametrize("parameter", ["certificate", "private_key"])
def test_certificate_and_key_come_together(parameter: str) -> None:
    with pytest.raises(RuntimeError, match="The certificate and private_key should be passed at the same time"):
        SSLConfig(**{parameter: "a"})


def test_a_missing_file_is_told_when_the_client_is_built(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Client("127.0.0.1:1", "a", "m", ssl_config=SSLConfig(custom_ca=str(tmp_path / "none")))
