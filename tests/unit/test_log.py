"""`mindspore_serving.log`: what the variables mean, and what a line looks like."""

from __future__ import annotations

import logging
import os
import re
import stat
import time
from pathlib import Path

import pytest

from mindspore_serving import log
from mindspore_serving.log import _build_logger, _Config, _Formatter


@pytest.fixture
def fresh_log(monkeypatch):
    """The module as before its first use; its logger forgets its handlers afterwards."""
    monkeypatch.setattr(log, "_logger", None)
    monkeypatch.setattr(log, "_config", None)
    for name in list(os.environ):
        if name.startswith(("GLOG_", "logger_")) or name == "MS_SUBMODULE_LOG_v":
            monkeypatch.delenv(name)
    yield monkeypatch
    logger = logging.getLogger(f"SERVING.mindspore_serving.log.{os.getpid()}")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


@pytest.mark.parametrize(
    ("environ", "level"),
    [
        ({}, "2"),
        ({"GLOG_v": " 1 "}, "1"),
        ({"GLOG_v": "  "}, "2"),
        ({"GLOG_v": "error"}, "3"),
        ({"GLOG_v": "3", "MS_SUBMODULE_LOG_v": "{SERVING:0}"}, "0"),
        ({"GLOG_v": "3", "MS_SUBMODULE_LOG_v": "{OTHER:2,SERVING:1}"}, "1"),
        ({"GLOG_v": "3", "MS_SUBMODULE_LOG_v": "{OTHER:0}"}, "3"),
        ({"GLOG_v": "1", "MS_SUBMODULE_LOG_v": "{SERVING:9}"}, "1"),
    ],
)
def test_level(environ, level):
    assert _Config.from_environ(environ).level == level


@pytest.mark.parametrize("threshold", ["1", "INFO", "info"])
def test_threshold_has_one_vocabulary(threshold):
    assert _Config.from_environ({"GLOG_stderrthreshold": threshold}).stderr_threshold == "1"


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"GLOG_v": "4"}, "Incorrect log level:4"),
        ({"GLOG_stderrthreshold": "loud"}, "Incorrect log level:loud"),
        ({"GLOG_logtostderr": "yes"}, "GLOG_logtostderr"),
        ({"GLOG_logtostderr": "0"}, "GLOG_log_dir"),
        ({"GLOG_logtostderr": "0", "GLOG_log_dir": "/does/not/exist"}, "/does/not/exist"),
        ({"logger_maxBytes": "much"}, "logger_maxBytes"),
        ({"logger_backupCount": "-1"}, "logger_backupCount"),
        ({"GLOG_logfile_mode": "8"}, "GLOG_logfile_mode"),
    ],
)
def test_wrong_values(environ, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        _Config.from_environ(environ)


def test_line():
    record = logging.LogRecord(
        "x", logging.WARNING, "/opt/mindspore/mindspore_serving/server/api.py", 7, "%d left", (3,), None
    )
    record.created = time.mktime((2024, 3, 5, 6, 7, 8, 0, 0, -1)) + 0.005012
    thread = f"{record.process}:{record.thread},{record.processName}"
    expected = f"[WARNING] SERVING({thread}):2024-03-05-06:07:08.005.012 [mindspore_serving/server/api.py:7] 3 left"
    assert _Formatter().format(record) == expected


def test_the_place_begins_with_the_package():
    path = "/opt/mindspore_serving/mindspore_serving/server/_worker/backends/mindspore.py"
    record = logging.LogRecord("x", logging.INFO, path, 1, "m", (), None)
    assert "[mindspore_serving/server/_worker/backends/mindspore.py:1] m" in _Formatter().format(record)


def test_nothing_that_is_quoted_writes_a_line_of_its_own_or_moves_the_cursor():
    forged = "a\n[ERROR] SERVING(1:1,..):forged\x1b[31m \r\x9b \u2028 \x00 \x7f \t tab, \u00e4"
    try:
        raise ValueError(forged)
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "a.py", 1, "%s", (forged,), (ValueError, error, None))
    first, *others = _Formatter().format(record).splitlines()
    assert first.endswith("[a.py:1] a")
    assert others == [
        r"    [ERROR] SERVING(1:1,..):forged\x1b[31m \r\x9b \u2028 \x00 \x7f " + "\t tab, \u00e4",
        "    ValueError: a",
        r"    [ERROR] SERVING(1:1,..):forged\x1b[31m \r\x9b \u2028 \x00 \x7f " + "\t tab, \u00e4",
    ]


def test_path_without_the_packages_name_is_shown_whole():
    record = logging.LogRecord("x", logging.INFO, "/somewhere/script.py", 1, "m", (), None)
    assert "[/somewhere/script.py:1] m" in _Formatter().format(record)


def test_lines_tell_the_callers_place(fresh_log, capsys):
    fresh_log.setenv("GLOG_v", "1")
    log.debug("not seen")
    log.info("seen %s", "once")
    output = capsys.readouterr().err
    assert "not seen" not in output
    assert re.fullmatch(r"\[INFO\] SERVING\(.*\):[\d:.-]+ \[.*test_log\.py:\d+\] seen once\n", output)


def test_configuration_is_read_at_the_first_call_only(fresh_log):
    fresh_log.setenv("GLOG_v", "3")
    assert log.get_level() == "3"
    fresh_log.setenv("GLOG_v", "0")
    assert log.get_level() == "3"
    assert log.get_log_config() == {"GLOG_v": "3", "GLOG_logtostderr": "1"}


def test_files(fresh_log, tmp_path, capsys):
    variables = {"GLOG_v": "1", "GLOG_logtostderr": "0", "GLOG_log_dir": str(tmp_path), "GLOG_stderrthreshold": "3"}
    for name, value in variables.items():
        fresh_log.setenv(name, value)
    log.info("to the file")
    log.error("to both")
    errors = capsys.readouterr().err
    text = (tmp_path / f"mindspore_serving.log.{os.getpid()}").read_text()
    assert "to the file" in text
    assert "to both" in text
    assert "to both" in errors
    assert "to the file" not in errors
    assert log.get_log_config() == {**variables, "logger_maxBytes": 52428800, "logger_backupCount": 30}


def test_text_that_is_no_unicode_goes_to_a_file_escaped(tmp_path):
    logger = _build_logger(_Config(level="1", to_stderr=False, directory=str(tmp_path)))
    logger.info("half a \ud800 pair")
    (file,) = tmp_path.iterdir()
    assert file.read_text().endswith("half a \\ud800 pair\n")


def test_a_file_put_aside_becomes_read_only(fresh_log, tmp_path):
    logger = _build_logger(_Config(level="1", to_stderr=False, directory=str(tmp_path), max_bytes=200, backup_count=2))
    for _ in range(4):
        logger.warning("a line that is longer than a tenth of a file")
    modes = {path.name.rpartition(".")[2]: stat.S_IMODE(path.stat().st_mode) for path in Path(tmp_path).iterdir()}
    assert modes == {str(os.getpid()): 0o640, "1": 0o400, "2": 0o400}
