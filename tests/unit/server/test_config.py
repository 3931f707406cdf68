"""`ServableStartConfig` and `SSLConfig`: what is accepted, and the texts of what is not."""

from __future__ import annotations

import re

import pytest

from mindspore_serving import server
from mindspore_serving.server import ServableStartConfig, SSLConfig, config


def make(**arguments):
    return ServableStartConfig(**{"servable_directory": "/servables", "servable_name": "add", **arguments})


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"servable_directory": ""}, "Parameter 'servable_directory' should not be empty str"),
        ({"servable_directory": 1}, "Parameter 'servable_directory' should be str, but actually <class 'int'>"),
        ({"servable_name": None}, "Parameter 'servable_name' should be str"),
        ({"version_number": False}, "Parameter 'version_number' should be int, but actually <class 'bool'>"),
        ({"version_number": -1}, "Parameter 'version_number' should be >= 0"),
        ({"version_number": None}, "Parameter 'version_number' should be int"),
        ({"num_parallel_workers": 65}, "Parameter 'num_parallel_workers' should be in range [0,64]"),
        ({"dec_key": "k" * 16}, "Parameter 'dec_key' should be bytes"),
        ({"dec_key": b""}, "Parameter 'dec_key' should not be empty bytes"),
        ({"dec_key": b"k" * 15}, "Parameter 'dec_key' length 15 expected to be 16, 24 or 32"),
        ({"dec_mode": "aes-gcm"}, "expected to be 'AES-GCM' or 'AES-CBC'"),
        ({"device_ids": "1"}, "Parameter 'device_ids' should be int or tuple/list of int, but actually <class 'str'>"),
        ({"device_ids": -1}, "The item value '-1' in parameter 'device_ids' should be >= 0"),
        ({"device_type": 123}, "Parameter 'device_type' should be str, but actually <class 'int'>"),
        ({"device_type": ""}, "Parameter 'device_type' should not be empty str"),
        (
            {"device_type": "InvalidDeviceType"},
            "Unsupported device type 'InvalidDeviceType', only support 'Ascend', 'GPU', 'CPU' and None",
        ),
        # The order of the checks: the first of several wrong arguments is named.
        ({"num_parallel_workers": 65, "dec_key": 1, "device_ids": "x"}, "'num_parallel_workers'"),
        ({"dec_mode": "x", "device_ids": "x", "device_type": 1}, "'dec_mode'"),
        ({"device_ids": "x", "device_type": 1}, "'device_ids'"),
    ],
)
def test_wrong_arguments(arguments, text):
    with pytest.raises(RuntimeError, match=re.escape(text)):
        make(**arguments)


def test_values():
    made = make(device_ids=[3, 1], device_type="CPU", num_parallel_workers=4, dec_key=b"k" * 24, dec_mode="AES-CBC")
    assert (made.servable_directory, made.servable_name, made.version_number) == ("/servables", "add", 0)
    assert (made.device_ids, made.device_type, made.num_parallel_workers) == ((3, 1), "cpu", 4)
    assert (made.dec_key, made.dec_mode) == (b"k" * 24, "AES-CBC")
    assert "kkk" not in repr(made)


@pytest.mark.parametrize(
    ("device_type", "kept"), [(None, "none"), ("None", "none"), ("GPU", "gpu"), ("ascend", "ascend")]
)
def test_device_type(device_type, kept):
    assert make(device_type=device_type).device_type == kept


@pytest.mark.parametrize(
    ("device_ids", "given", "kept"), [(None, 0, 1), ((), 0, 1), (None, 3, 3), (0, 0, 0), ((0, 1), 1, 1)]
)
def test_parallel_workers(device_ids, given, kept):
    assert make(device_ids=device_ids, num_parallel_workers=given).num_parallel_workers == kept


def test_the_directory_is_relative_to_the_script(monkeypatch, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "script.py").touch()
    (tmp_path / "link.py").symlink_to(tmp_path / "real" / "script.py")
    monkeypatch.setattr(config.sys, "argv", [str(tmp_path / "link.py")])
    assert make(servable_directory="servables").servable_directory == str(tmp_path.resolve() / "real" / "servables")


def test_without_a_script_the_directory_is_relative_to_the_working_directory(monkeypatch, tmp_path):
    monkeypatch.setattr(config.sys, "argv", [""])
    monkeypatch.chdir(tmp_path)
    assert make(servable_directory=".").servable_directory == str(tmp_path.resolve())


def test_properties_cannot_be_set():
    with pytest.raises(AttributeError):
        make().version_number = 2


def test_ssl_config():
    made = SSLConfig("server.crt", "server.key", custom_ca="ca.crt", verify_client=True)
    assert (made.certificate, made.private_key, made.custom_ca, made.verify_client) == (
        "server.crt",
        "server.key",
        "ca.crt",
        True,
    )
    assert SSLConfig("server.crt", "server.key", custom_ca=5).custom_ca == 5  # unused, so unchecked


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((None, "k"), "Parameter 'certificate' should be str, the path of a file, but actually it is None"),
        (("c", ""), "Parameter 'private_key' should not be empty str"),
        (("c", "k", None, True), "Parameter 'custom_ca' should be str, the path of a file"),
        (("c", "k", None, 1), "Parameter 'verify_client' should be bool"),
    ],
)
def test_wrong_ssl_config(arguments, text):
    with pytest.raises(RuntimeError, match=re.escape(text)):
        SSLConfig(*arguments)


def test_star_import_works():
    names: dict[str, object] = {}
    exec("from mindspore_serving.server import *", names)
    assert set(server.__all__) <= set(names)
    assert names["master"].context.set_max_enqueued_requests
