"""The certificates of a TLS server: read and checked before anything listens, so that a wrong file is told by its name.

Both end points speak TLS 1.2 and newer, and trust the given authority alone."""

from __future__ import annotations

import dataclasses
import os
import ssl
import stat
from collections.abc import Callable
from typing import NoReturn

from mindspore_serving import log
from mindspore_serving.server._master.address import EndPoint
from mindspore_serving.server.config import SSLConfig
from mindspore_serving.server.errors import MissingFile, StartError

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AESCCM"
"""Of TLS 1.2: forward secrecy and authenticated encryption. TLS 1.3 has no others."""


@dataclasses.dataclass(frozen=True)
class Tls:
    """What a server needs to speak TLS; the texts are PEM."""

    certificate: bytes
    private_key: bytes = dataclasses.field(repr=False)
    client_ca: bytes
    """The authorities of the clients; empty where clients show no certificate."""
    context: ssl.SSLContext


def load_tls(end_point: EndPoint, address: str, config: SSLConfig) -> Tls:
    """Reads the files. Raises `StartError` that names the parameter and the file; a missing file's is a
    `FileNotFoundError` too, as in the original."""
    files = _Files(end_point, address)
    certificate = files.read("certificate", config.certificate)
    private_key = files.read("private_key", config.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    files.load_key_pair(context, config)
    client_ca = b""
    if config.verify_client:
        client_ca = files.read("custom_ca", config.custom_ca)
        files.load_authorities("custom_ca", config.custom_ca, context)
        context.verify_mode = ssl.CERT_REQUIRED
    _warn_of_readers(config.private_key)
    return Tls(certificate, private_key, client_ca, context)


class _Files:
    """Reading and checking one file after the other, for the server that the errors tell of."""

    _WHAT = {"certificate": "certificate_chain", "private_key": "private_key", "custom_ca": "root certificate"}
    """What the original calls the parameters' contents."""

    def __init__(self, end_point: EndPoint, address: str) -> None:
        self._end_point = end_point
        self._address = address

    def read(self, parameter: str, path: str) -> bytes:
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError as error:
            self._fail(parameter, path, error.strerror, MissingFile)
        except OSError as error:
            self._fail(parameter, path, error.strerror)

    def load_key_pair(self, context: ssl.SSLContext, config: SSLConfig) -> None:
        """One call of the library loads both; so the certificate is tried alone first, and the rest is the key's."""
        self.load_authorities("certificate", config.certificate, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))

        def refuse_to_ask() -> NoReturn:
            self._fail("private_key", config.private_key, "the key is encrypted; a server has no one to ask for words")

        try:
            context.load_cert_chain(config.certificate, config.private_key, refuse_to_ask)
        except ssl.SSLError as error:
            reason = error.reason or ""
            if "MISMATCH" in reason:
                why = f"private_key is not consistent with certificate {config.certificate}"
                self._fail("private_key", config.private_key, why)
            if reason.startswith(("EE_", "CA_")):  # too weak for the library's security level
                self._fail("certificate", config.certificate, error)
            self._fail("private_key", config.private_key, f"it holds no usable private key in PEM form ({error})")

    def load_authorities(self, parameter: str, path: str, context: ssl.SSLContext) -> None:
        try:
            context.load_verify_locations(path)
            count = context.cert_store_stats()["x509"]
        except ssl.SSLError:
            count = 0
        if count == 0:
            self._fail(parameter, path, "it holds no certificate in PEM form")

    def _fail(self, parameter: str, path: str, why: object, kind: Callable[[str], StartError] = StartError) -> NoReturn:
        text = f"load {self._WHAT[parameter]} from {path} failed, parameter '{parameter}' of SSLConfig: {why}"
        raise kind(self._end_point.wrong_file(self._address, text)) from None


def _warn_of_readers(private_key: str) -> None:
    if os.stat(private_key).st_mode & stat.S_IROTH:
        log.warning("every user of this machine can read the private key %s: chmod o-rwx makes it private", private_key)
