"""The arguments of the start calls: what is wrong with them is told before anything is started."""

from __future__ import annotations

import re

import pytest

from mindspore_serving import server
from mindspore_serving.server import api
from mindspore_serving.server.master import context


@pytest.fixture(autouse=True)
def nothing_is_started(monkeypatch):
    def obtain(process):
        raise AssertionError("a server was started")

    monkeypatch.setattr(api._Process, "obtain", obtain)


@pytest.mark.parametrize("start", [server.start_grpc_server, server.start_restful_server])
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"address": 5500}, "Parameter 'address' should be str"),
        ({"address": ""}, "Parameter 'address' should not be empty str"),
        ({"max_msg_mb_size": 0}, "Parameter 'max_msg_mb_size' should be in range [1,512]"),
        ({"max_msg_mb_size": 513}, "Parameter 'max_msg_mb_size' should be in range [1,512]"),
        ({"max_msg_mb_size": True}, "Parameter 'max_msg_mb_size' should be int"),
        ({"ssl_config": "server.crt"}, "type of ssl_config should be"),
        ({"ssl_config": server.SSLConfig("c", "k")}, "load certificate_chain from c failed, parameter 'certificate'"),
    ],
)
def test_end_point_arguments(start, arguments, text):
    with pytest.raises(RuntimeError, match=re.escape(text)):
        start(**{"address": "127.0.0.1:0", **arguments})


def test_always_200_is_bool():
    with pytest.raises(RuntimeError, match="Parameter 'always_200' should be bool"):
        server.start_restful_server("127.0.0.1:0", always_200=1)


CONFIG = server.ServableStartConfig("/nowhere", "add")


@pytest.mark.parametrize(
    ("configs", "text"),
    [
        (None, "<class 'NoneType'>"),
        ((config for config in [CONFIG]), "<class 'generator'>"),
        ([], "actually it is empty"),
        ((), "actually it is empty"),
        ([CONFIG, "add"], "an item is <class 'str'>"),
    ],
)
def test_servable_configs(configs, text):
    with pytest.raises(RuntimeError, match=re.escape(text)) as caught:
        server.start_servables(configs)
    assert "Parameter 'servable_configs' should be ServableStartConfig, list or tuple" in str(caught.value)


def test_enable_lite_is_bool():
    with pytest.raises(RuntimeError, match="Parameter 'enable_lite' should be bool"):
        server.start_servables(CONFIG, enable_lite=0)


def test_missing_directories_are_told_before_anything_starts(capsys):
    with pytest.raises(RuntimeError, match="Check servable config failed, directory "):
        server.start_servables(CONFIG)


@pytest.mark.parametrize(
    ("limit", "text"), [(0, "should be >= 1"), (True, "should be int"), (1 << 32, "should be < 2**32")]
)
def test_max_enqueued_requests(limit, text):
    with pytest.raises(RuntimeError, match=re.escape(text)):
        context.set_max_enqueued_requests(limit)


def test_stop_without_a_server():
    server.stop()
    server.stop()
