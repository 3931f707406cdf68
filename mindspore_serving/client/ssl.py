"""How a client proves who it is, and whom it trusts."""

from __future__ import annotations

from pathlib import Path

import grpc

from mindspore_serving.client.checks import check_str


class SSLConfig:
    """Makes a `Client` speak TLS. The server's certificate must be for the host of the client's address, and for
    `localhost` where that is a unix socket.

    Args:
        certificate: path of the client's PEM certificate chain, for servers that ask for one. Default: none.
        private_key: path of its PEM private key; given together with `certificate`. Default: none.
        custom_ca: path of the PEM certificates of the authorities that the server's certificate is checked against.
            Default: those gRPC brings along.

    Raises:
        RuntimeError: a path is not a `str` or empty, or only one of `certificate` and `private_key` is given.

    >>> Client("localhost:5500", "add", "add_common", ssl_config=SSLConfig(custom_ca="ca.crt"))
    """

    def __init__(
        self, certificate: str | None = None, private_key: str | None = None, custom_ca: str | None = None
    ) -> None:
        given = {"certificate": certificate, "private_key": private_key, "custom_ca": custom_ca}
        for parameter, value in given.items():
            if value is not None:
                check_str(parameter, value)
        if (certificate is None) != (private_key is None):
            raise RuntimeError("The certificate and private_key should be passed at the same time")
        self.certificate = certificate
        self.private_key = private_key
        self.custom_ca = custom_ca


def channel_credentials(config: SSLConfig) -> grpc.ChannelCredentials:
    """Reads the files now; raises `FileNotFoundError` for one that is missing."""

    def contents(path: str | None) -> bytes | None:
        return None if path is None else Path(path).read_bytes()

    return grpc.ssl_channel_credentials(
        root_certificates=contents(config.custom_ca),
        private_key=contents(config.private_key),
        certificate_chain=contents(config.certificate),
    )
