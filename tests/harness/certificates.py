"""Certificates made by the tests: an authority in a directory, and what it issues."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Authority:
    """A certificate authority. Its own certificate is `ca.crt`, each it issues is `<name>.crt` with `<name>.key`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(f"authority {directory.name}")
        self._write("ca", self._key, self._certificate(self._name, self._key, is_ca=True))

    def issue(self, name: str, password: bytes | None = None) -> None:
        """A certificate for 127.0.0.1 and localhost; with a password the key is encrypted."""
        key = ec.generate_private_key(ec.SECP256R1())
        self._write(name, key, self._certificate(_name(name), key, is_ca=False), password)

    def path(self, file: str) -> str:
        """The path of one of the files."""
        return str(self.directory / file)

    def _certificate(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, is_ca: bool) -> x509.Certificate:
        now = datetime.datetime.now(datetime.timezone.utc)
        here = x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        )
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(here, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _write(
        self, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate, password: bytes | None = None
    ) -> None:
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        (self.directory / f"{name}.crt").write_bytes(certificate.public_bytes(pem))
        key_file = self.directory / f"{name}.key"
        key_file.touch(mode=0o600)
        key_file.write_bytes(key.private_bytes(pem, pkcs8, encryption))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
