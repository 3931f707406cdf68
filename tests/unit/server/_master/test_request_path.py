"""The paths of the RESTful interface."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindspore_serving.server._master.request_path import Target, parse_path, parse_timeout
from mindspore_serving.server.errors import HttpRefusal

MODEL = "please check url, the keyword:[model] must contain."
METHOD = "please check url, the keyword:[service method] must contain."
VERSION = "please check url, the keyword:[version] value invalid"
RANGE = "please check url, version number range failed"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/model/add:add_common", Target("add", "add_common", 0)),
        ("/model/add/version/3:add_common", Target("add", "add_common", 3)),
        ("/version/3/model/add:add_common", Target("add", "add_common", 3)),
        ("/model/add/version/0:m", Target("add", "m", 0)),
        ("/model/add/version/+1:m", Target("add", "m", 1)),
        ("/model/add/version/4294967294:m", Target("add", "m", 4294967294)),
        ("/model/add:m?x=1", Target("add", "m", 0)),
        ("/model/add%3Am", Target("add", "m", 0)),
        ("/model/a%20b%2Fc:m", Target("a b/c", "m", 0)),
        ("/model/model_version:echo_version", Target("model_version", "echo_version", 0)),
        ("/model/version:model", Target("version", "model", 0)),
        ("/model/model:m", Target("model", "m", 0)),
        ("http://host:80/model/add:m", Target("add", "m", 0)),
    ],
)
def test_targets(path, target):
    assert parse_path(path) == target


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", MODEL),
        ("*", MODEL),
        ("/add:m", MODEL),
        ("/model", MODEL),
        ("/model/", MODEL),
        ("/model/:m", MODEL),
        ("/version/1", MODEL),
        ("/version/1/model", MODEL),
        ("/model/add", METHOD),
        ("/model/add:", METHOD),
        ("/model/add/version/1", METHOD),
        ("/model/add/version/-1:m", RANGE),
        ("/version/-1/model/add:m", RANGE),
        ("/model/add/version/4294967295:m", RANGE),
        ("/model/add/version/" + "9" * 5000 + ":m", RANGE),
        ("/model/add/version/one:m", VERSION),
        ("/model/add/version/1x:m", VERSION),
        ("/model/add/version/:m", VERSION),
        ("/model/add/version", VERSION),
        ("/prefix/x/model/add:m", "please check url"),
        ("/prefix/model/add:m", MODEL),
        ("/model/add:m/", "please check url"),
        ("/model/add/model/add:m", "please check url"),
        ("/model/a/version/1/version/2:m", "please check url"),
    ],
)
def test_refused(path, text):
    with pytest.raises(HttpRefusal, match=re.escape(text)) as caught:
        parse_path(path)
    assert caught.value.status == 404


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1H", 3600),
        ("2M", 120),
        ("03S", 3),
        ("500m", 0.5),
        ("7u", 7e-6),
        ("99999999n", 0.099999999),
        (" 0S ", 0),
    ],
)
def test_timeouts(text, seconds):
    assert parse_timeout(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "1", "S", "1s", "-1S", "1.5S", "123456789S", "1 S", "1S1S", "\u0661S"])
def test_texts_that_are_no_timeout(text):
    with pytest.raises(HttpRefusal, match="the header Grpc-Timeout should be") as caught:
        parse_timeout(text)
    assert caught.value.status == 400


def test_bytes_that_are_not_utf8():
    assert parse_path(b"/model/\xff:m".decode("utf-8", "surrogateescape")) == Target("\ufffd", "m", 0)


@given(st.text())
def test_no_path_breaks_it(path):
    try:
        target = parse_path(path)
    except HttpRefusal:
        return
    assert target.servable
    assert target.method
