"""Certificates and keys: what is wrong with a file is told by its parameter and its name."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from mindspore_serving.server import SSLConfig
from mindspore_serving.server._master.address import GRPC, RESTFUL, EndPoint
from mindspore_serving.server._master.tls import load_tls
from mindspore_serving.server.errors import StartError
from tests.harness.certificates import Authority

BEGINNINGS = {
    GRPC: "Serving Error: Serving gRPC server start failed, create server failed, address 127.0.0.1:0, ",
    RESTFUL: "Serving Error: RESTful server start failed, ",
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    authority.issue("server")
    authority.issue("other")
    authority.issue("locked", password=b"sesame")
    files = authority.directory
    (files / "empty").touch()
    (files / "text").write_text("this is no PEM\n")
    (files / "broken").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (files / "broken.key").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    (files / "chain.crt").write_bytes((files / "server.crt").read_bytes() + (files / "ca.crt").read_bytes())
    (files / "folder").mkdir()
    return authority


@pytest.fixture
def config(authority: Authority) -> Callable[..., SSLConfig]:
    """A config that is right but for the files given by name."""

    def make(**files: str) -> SSLConfig:
        names = {"certificate": "server.crt", "private_key": "server.key", "custom_ca": "ca.crt", **files}
        return SSLConfig(**{name: authority.path(file) for name, file in names.items()}, verify_client=True)

    return make


CERTIFICATE = "load certificate_chain from {} failed, parameter 'certificate' of SSLConfig: "
KEY = "load private_key from {} failed, parameter 'private_key' of SSLConfig: "
CA = "load root certificate from {} failed, parameter 'custom_ca' of SSLConfig: "
NO_CERTIFICATE = "it holds no certificate in PEM form"
NO_KEY = "it holds no usable private key in PEM form"


@pytest.mark.parametrize("end_point", BEGINNINGS, ids=lambda end_point: end_point.name)
@pytest.mark.parametrize(
    ("parameter", "file", "text", "reason"),
    [
        ("certificate", "nowhere", CERTIFICATE, "No such file or directory"),
        ("certificate", "folder", CERTIFICATE, "Is a directory"),
        ("certificate", "empty", CERTIFICATE, NO_CERTIFICATE),
        ("certificate", "text", CERTIFICATE, NO_CERTIFICATE),
        ("certificate", "broken", CERTIFICATE, NO_CERTIFICATE),
        ("certificate", "server.key", CERTIFICATE, NO_CERTIFICATE),
        ("private_key", "nowhere", KEY, "No such file or directory"),
        ("private_key", "folder", KEY, "Is a directory"),
        ("private_key", "empty", KEY, NO_KEY),
        ("private_key", "text", KEY, NO_KEY),
        ("private_key", "broken.key", KEY, NO_KEY),
        ("private_key", "server.crt", KEY, NO_KEY),
        ("private_key", "other.key", KEY, "private_key is not consistent with certificate "),
        ("private_key", "locked.key", KEY, "the key is encrypted"),
        ("custom_ca", "nowhere", CA, "No such file or directory"),
        ("custom_ca", "folder", CA, "Is a directory"),
        ("custom_ca", "empty", CA, NO_CERTIFICATE),
        ("custom_ca", "text", CA, NO_CERTIFICATE),
        ("custom_ca", "server.key", CA, NO_CERTIFICATE),
    ],
)
def test_wrong_files(authority, config, end_point: EndPoint, parameter, file, text, reason):
    with pytest.raises(StartError) as caught:
        load_tls(end_point, "127.0.0.1:0", config(**{parameter: file}))
    assert str(caught.value).startswith(BEGINNINGS[end_point] + text.format(authority.path(file)) + reason)
    assert isinstance(caught.value, FileNotFoundError) == (file == "nowhere")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(authority, config):
    hidden = Path(authority.path("hidden.key"))
    hidden.touch(mode=0)
    with pytest.raises(StartError, match=r"load private_key from .* Permission denied"):
        load_tls(GRPC, "127.0.0.1:0", config(private_key="hidden.key"))


def test_what_is_loaded(authority, config):
    tls = load_tls(GRPC, "127.0.0.1:0", config(certificate="chain.crt"))
    assert tls.certificate == Path(authority.path("chain.crt")).read_bytes()
    assert tls.private_key == Path(authority.path("server.key")).read_bytes()
    assert tls.client_ca == Path(authority.path("ca.crt")).read_bytes()
    assert tls.context.verify_mode is ssl.CERT_REQUIRED
    assert tls.context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert [ca["subject"] for ca in tls.context.get_ca_certs()] == [
        ((("commonName", f"authority {authority.directory.name}"),),)
    ]
    assert "PRIVATE KEY" not in repr(tls)


def test_without_verification_the_authority_is_not_even_read(authority):
    config = SSLConfig(authority.path("server.crt"), authority.path("server.key"), authority.path("nowhere"))
    tls = load_tls(RESTFUL, "127.0.0.1:0", config)
    assert tls.client_ca == b""
    assert tls.context.verify_mode is ssl.CERT_NONE
    assert tls.context.get_ca_certs() == []


def test_paths_are_relative_to_the_working_directory(authority, monkeypatch):
    monkeypatch.chdir(authority.directory)
    assert load_tls(GRPC, "127.0.0.1:0", SSLConfig("server.crt", "server.key")).certificate


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_key_that_everybody_can_read_is_warned_about(authority, config, monkeypatch, mode, warned):
    said = []
    monkeypatch.setattr("mindspore_serving.log.warning", lambda text, *values: said.append(text % values))
    Path(authority.path("server.key")).chmod(mode)
    load_tls(GRPC, "127.0.0.1:0", config())
    assert bool(said) == warned
    assert all(authority.path("server.key") in text for text in said)
