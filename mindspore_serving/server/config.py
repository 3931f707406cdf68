"""What users configure, checked when it is made: the servables to start and the certificates of a TLS server."""

from __future__ import annotations

import os
import sys
from typing import Any

from mindspore_serving.server import checks

_DEVICE_TYPES = ("ascend", "gpu", "cpu", "none")
_DEC_MODES = ("AES-GCM", "AES-CBC")


class ServableStartConfig:
    """A servable to start, and on which devices.

    Args:
        servable_directory (str): Directory that holds the servable's directory; relative to the start-up script's
            directory.
        servable_name (str): Name of the servable and of its directory.
        device_ids (int or sequence of int, optional): Devices; one worker process each. Default None: no device is
            taken.
        version_number (int): Version directory to serve; 0, the default, stands for the newest.
        device_type (str, optional): 'Ascend', 'GPU' or 'CPU', in any case. Default None: with `device_ids`
            Ascend or GPU, where MindSpore can use one; else, and with MindSpore Lite, the CPU.
        num_parallel_workers (int): Workers at least, 0 to 64; what exceeds the devices runs Python stages only.
            Default 0.
        dec_key (bytes, optional): Key of the models, 16, 24 or 32 bytes; all of them must be encrypted MindIR files
            then. Default None: not encrypted.
        dec_mode (str): 'AES-GCM' (default) or 'AES-CBC'.

    Raises:
        RuntimeError: A value is of the wrong type or out of range.

    Example:
        >>> config = server.ServableStartConfig("servables", "resnet50", device_ids=(0, 1))
        >>> server.start_servables(config)
    """

    def __init__(
        self,
        servable_directory: str,
        servable_name: str,
        device_ids: int | tuple[int, ...] | list[int] | None = None,
        version_number: int = 0,
        device_type: str | None = None,
        num_parallel_workers: int = 0,
        dec_key: bytes | None = None,
        dec_mode: str = "AES-GCM",
    ) -> None:
        checks.check_str("servable_directory", servable_directory)
        self._servable_directory = os.path.realpath(os.path.join(script_directory(), servable_directory))
        self._servable_name = checks.check_str("servable_name", servable_name)
        self._version_number = checks.check_int("version_number", version_number, 0)
        checks.check_int("num_parallel_workers", num_parallel_workers, 0, 64)
        self._dec_key = _check_dec_key(dec_key)
        self._dec_mode = _check_dec_mode(dec_mode)
        self._device_ids = () if device_ids is None else checks.check_ints("device_ids", device_ids, 0)
        self._device_type = _check_device_type(device_type)
        without_any = not self._device_ids and num_parallel_workers == 0
        self._num_parallel_workers = 1 if without_any else num_parallel_workers

    @property
    def servable_directory(self) -> str:
        """Absolute path without symbolic links."""
        return self._servable_directory

    @property
    def servable_name(self) -> str:
        """Name of the servable and of its directory."""
        return self._servable_name

    @property
    def version_number(self) -> int:
        """The version asked for; 0 is the newest."""
        return self._version_number

    @property
    def device_type(self) -> str:
        """'ascend', 'gpu', 'cpu', or 'none' where the engine chooses."""
        return self._device_type

    @property
    def device_ids(self) -> tuple[int, ...]:
        """The devices, as given; may be empty."""
        return self._device_ids

    @property
    def num_parallel_workers(self) -> int:
        """The number given; 1 when it was 0 and there are no devices."""
        return self._num_parallel_workers

    @property
    def dec_key(self) -> bytes | None:
        """The key of encrypted models."""
        return self._dec_key

    @property
    def dec_mode(self) -> str:
        """'AES-GCM' or 'AES-CBC'."""
        return self._dec_mode

    def __repr__(self) -> str:
        return (
            f"ServableStartConfig({self._servable_directory!r}, {self._servable_name!r}, "
            f"device_ids={self._device_ids}, version_number={self._version_number}, device_type={self._device_type!r})"
        )


class SSLConfig:
    """The files of a TLS server; paths, relative to the working directory.

    Args:
        certificate (str): File with the server's certificate chain, PEM.
        private_key (str): File with its private key, PEM.
        custom_ca (str, optional): File with the authority that signed the clients' certificates; needed and used only
            with `verify_client`. Default None.
        verify_client (bool): Whether clients must show a certificate. Default False.

    Raises:
        RuntimeError: A value is of the wrong type or empty.

    Example:
        >>> ssl_config = server.SSLConfig("server.crt", "server.key", custom_ca="ca.crt", verify_client=True)
    """

    def __init__(
        self, certificate: str, private_key: str, custom_ca: str | None = None, verify_client: bool = False
    ) -> None:
        self.certificate = _check_path("certificate", certificate)
        self.private_key = _check_path("private_key", private_key)
        self.verify_client = checks.check_bool("verify_client", verify_client)
        self.custom_ca = _check_path("custom_ca", custom_ca) if verify_client else custom_ca


def script_directory() -> str:
    """The directory of the start-up script, to which the paths of servables are relative."""
    script = sys.argv[0] if sys.argv else ""
    return os.path.dirname(os.path.realpath(script)) if script else os.getcwd()


def _check_dec_key(dec_key: Any) -> bytes | None:
    if dec_key is None:
        return None
    checks.check_bytes("dec_key", dec_key)
    if len(dec_key) not in (16, 24, 32):
        raise RuntimeError(f"Parameter 'dec_key' length {len(dec_key)} expected to be 16, 24 or 32")
    return dec_key


def _check_dec_mode(dec_mode: Any) -> str:
    checks.check_str("dec_mode", dec_mode)
    if dec_mode not in _DEC_MODES:
        raise RuntimeError(f"Parameter 'dec_mode' expected to be 'AES-GCM' or 'AES-CBC', but actually '{dec_mode}'")
    return dec_mode


def _check_device_type(device_type: Any) -> str:
    if device_type is None:
        return "none"
    checks.check_str("device_type", device_type)
    if device_type.lower() not in _DEVICE_TYPES:
        raise RuntimeError(
            f"Unsupported device type '{device_type}', only support 'Ascend', 'GPU', 'CPU' and None, case ignored"
        )
    return device_type.lower()


def _check_path(parameter: str, value: Any) -> str:
    """A path; None gets a text of its own, since the original's manual allows it."""
    if value is None:
        raise RuntimeError(f"Parameter '{parameter}' should be str, the path of a file, but actually it is None")
    return checks.check_str(parameter, value)
