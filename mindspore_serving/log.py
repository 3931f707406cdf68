"""The log of the package: one format, one vocabulary, set up from the environment at the first use.

=========================== ==================================================================================
Variable                    Meaning
=========================== ==================================================================================
GLOG_v                      level: 0 debug, 1 info, 2 warning (default), 3 error; the names work too
MS_SUBMODULE_LOG_v          `{SERVING:1}` sets the level of this package only and wins over GLOG_v
GLOG_logtostderr            1 standard error (default), 0 files
GLOG_log_dir                directory of the files, which must exist; needed with GLOG_logtostderr=0
GLOG_stderrthreshold        what still goes to standard error with files, in the words of GLOG_v; default 2
GLOG_logfile_mode           permissions of the current file, octal; default 0640
logger_maxBytes             size at which a file is put aside; default 52428800
logger_backupCount          how many files are kept; default 30
=========================== ==================================================================================

A wrong value raises `ValueError` at the first call. Example::

    from mindspore_serving import log
    log.warning("%d requests were refused", count)
"""

from __future__ import annotations

import dataclasses
import logging
import logging.handlers
import os
import re
import threading
import time
from collections.abc import Mapping
from typing import Any

__all__ = ["get_level", "get_log_config"]

_LEVELS = {"0": logging.DEBUG, "1": logging.INFO, "2": logging.WARNING, "3": logging.ERROR}
_LEVEL_NAMES = {"DEBUG": "0", "INFO": "1", "WARNING": "2", "ERROR": "3", "CRITICAL": "3"}

_lock = threading.Lock()
_logger: logging.Logger | None = None
_config: _Config | None = None


def debug(msg: str, *args: Any, **kwargs: Any) -> None:
    """Logs at level DEBUG; arguments as in the standard `logging`. Example: `log.debug("read %s", path)`."""
    _get_logger().debug(msg, *args, **_from_caller(kwargs))


def info(msg: str, *args: Any, **kwargs: Any) -> None:
    """Logs at level INFO; arguments as in the standard `logging`. Example: `log.info("%d workers", count)`."""
    _get_logger().info(msg, *args, **_from_caller(kwargs))


def warning(msg: str, *args: Any, **kwargs: Any) -> None:
    """Logs at level WARNING; arguments as in the standard `logging`. Example: `log.warning("slow: %s", name)`."""
    _get_logger().warning(msg, *args, **_from_caller(kwargs))


def error(msg: str, *args: Any, **kwargs: Any) -> None:
    """Logs at level ERROR; arguments as in the standard `logging`. Example: `log.error("failed", exc_info=True)`."""
    _get_logger().error(msg, *args, **_from_caller(kwargs))


def get_level() -> str:
    """The level in use: '0' debug, '1' info, '2' warning, '3' error. Example: `log.get_level()` gives '2'."""
    _get_logger()
    assert _config is not None
    return _config.level


def get_log_config() -> dict[str, str | int]:
    """The settings in use by the names of their variables; the file settings only when the log goes to files.

    Example: `log.get_log_config()` gives `{'GLOG_v': '2', 'GLOG_logtostderr': '1'}`.
    """
    _get_logger()
    assert _config is not None
    return _config.as_variables()


def native_settings() -> dict[str, Any]:
    """What the C++ half of a process needs to write lines like these: the arguments of its `set_up_log`."""
    _get_logger()
    assert _config is not None
    return {
        "level": int(_config.level),
        "console_level": int(_config.stderr_threshold) if _config.directory is not None else 0,
        "file": _file_path(_config) or "",
        "process_name": logging.LogRecord("", logging.INFO, "", 0, "", (), None).processName or "",
    }


@dataclasses.dataclass(frozen=True)
class _Config:
    """The settings, checked. Levels are '0' to '3'."""

    level: str = "2"
    to_stderr: bool = True
    directory: str | None = None
    stderr_threshold: str = "2"
    file_mode: int = 0o640
    max_bytes: int = 52428800
    backup_count: int = 30

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> _Config:
        """Reads the variables; values are stripped and an empty one counts as not set. Raises `ValueError`."""
        values = {name: value.strip() for name, value in environ.items() if value.strip()}
        level = _parse_level("GLOG_v", values.get("GLOG_v", "2"))
        to_stderr = values.get("GLOG_logtostderr", "1")
        if to_stderr not in ("0", "1"):
            raise ValueError(f"Incorrect value:{to_stderr} of GLOG_logtostderr, it can be 0 or 1")
        config = cls(
            level=_submodule_level(values.get("MS_SUBMODULE_LOG_v", "")) or level,
            to_stderr=to_stderr == "1",
            stderr_threshold=_parse_level("GLOG_stderrthreshold", values.get("GLOG_stderrthreshold", "2")),
            file_mode=_parse_number("GLOG_logfile_mode", values.get("GLOG_logfile_mode", "640"), base=8),
            max_bytes=_parse_number("logger_maxBytes", values.get("logger_maxBytes", "52428800")),
            backup_count=_parse_number("logger_backupCount", values.get("logger_backupCount", "30")),
        )
        if config.to_stderr:
            return config
        return dataclasses.replace(config, directory=_parse_directory(values.get("GLOG_log_dir")))

    def as_variables(self) -> dict[str, str | int]:
        variables: dict[str, str | int] = {"GLOG_v": self.level, "GLOG_logtostderr": "1" if self.to_stderr else "0"}
        if self.directory is not None:
            variables.update(
                GLOG_log_dir=self.directory,
                logger_maxBytes=self.max_bytes,
                logger_backupCount=self.backup_count,
                GLOG_stderrthreshold=self.stderr_threshold,
            )
        return variables


def _parse_level(variable: str, value: str) -> str:
    number = _LEVEL_NAMES.get(value.upper(), value)
    if number not in _LEVELS:
        raise ValueError(f"Incorrect log level:{value}, {variable} can be 0-DEBUG, 1-INFO, 2-WARNING or 3-ERROR")
    return number


def _submodule_level(value: str) -> str | None:
    """The level of `SERVING` in something like `{SERVING:1,OTHER:2}`; None where there is no valid one."""
    for name, level in re.findall(r"(\w+)\s*:\s*(\w+)", value):
        if name == "SERVING" and level in _LEVELS:
            return level
    return None


def _parse_number(variable: str, value: str, base: int = 10) -> int:
    try:
        number = int(value, base)
    except ValueError:
        number = -1
    if number < 0:
        raise ValueError(f"Incorrect value:{value} of {variable}, it should be a number")
    return number


def _parse_directory(value: str | None) -> str:
    if value is None:
        raise ValueError("GLOG_log_dir should be set when GLOG_logtostderr is 0")
    directory = os.path.realpath(value)
    if not os.path.isdir(directory):
        raise ValueError(f"GLOG_log_dir '{value}' is not an existing directory")
    return directory


_CONTROL = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]
_PACKAGE = f"mindspore_serving{os.sep}"
_PLAIN = {code: ascii(chr(code))[1:-1] for code in _CONTROL} | {ord("\t"): "\t", ord("\n"): "\n    "}
"""Messages quote what clients sent, which is to write neither lines of its own nor anything to a terminal."""


class _Formatter(logging.Formatter):
    """`[LEVEL] SERVING(pid:thread,process):date-time.mmm.uuu [file:line] message`. What has several lines, such as a
    traceback, begins at the left edge with its first only; other control characters are escaped."""

    def __init__(self) -> None:
        super().__init__(
            "[%(levelname)s] SERVING(%(process)d:%(thread)d,%(processName)s):%(asctime)s "
            "[%(place)s:%(lineno)d] %(message)s"
        )

    def format(self, record: logging.LogRecord) -> str:
        start = record.pathname.rfind(_PACKAGE)
        record.place = record.pathname if start < 0 else record.pathname[start:]
        return super().format(record).translate(_PLAIN)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        seconds, fraction = divmod(int(record.created * 1_000_000), 1_000_000)
        date = time.strftime("%Y-%m-%d-%H:%M:%S", time.localtime(seconds))
        return f"{date}.{fraction // 1000:03d}.{fraction % 1000:03d}"


class _LogFile(logging.handlers.RotatingFileHandler):
    """A log file put aside at a size; what was put aside becomes read-only."""

    def __init__(self, path: str, config: _Config) -> None:
        super().__init__(
            path,
            maxBytes=config.max_bytes,
            backupCount=config.backup_count,
            encoding="utf-8",
            errors="backslashreplace",
        )
        self._mode = config.file_mode
        os.chmod(path, self._mode)

    def doRollover(self) -> None:
        os.chmod(self.baseFilename, 0o400)
        super().doRollover()
        os.chmod(self.baseFilename, self._mode)


def _file_path(config: _Config) -> str | None:
    if config.directory is None:
        return None
    return os.path.join(config.directory, f"mindspore_serving.log.{os.getpid()}")


def _build_logger(config: _Config) -> logging.Logger:
    pid = os.getpid()
    logger = logging.getLogger(f"SERVING.mindspore_serving.log.{pid}")
    logger.setLevel(_LEVELS[config.level])
    logger.propagate = False
    console = logging.StreamHandler()
    console.setFormatter(_Formatter())
    logger.addHandler(console)
    if (path := _file_path(config)) is not None:
        console.setLevel(_LEVELS[config.stderr_threshold])
        file = _LogFile(path, config)
        file.setFormatter(_Formatter())
        logger.addHandler(file)
    return logger


def _get_logger() -> logging.Logger:
    global _logger, _config
    if _logger is None:
        with _lock:
            if _logger is None:
                _config = _Config.from_environ(os.environ)
                _logger = _build_logger(_config)
    return _logger


def _from_caller(arguments: dict[str, Any]) -> dict[str, Any]:
    """The line's place is that of the function's caller, not this module."""
    arguments["stacklevel"] = arguments.get("stacklevel", 1) + 1
    return arguments
