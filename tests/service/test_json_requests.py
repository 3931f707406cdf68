"""RESTful bodies: JSON values and base64 objects to tensors and back, and an error text for everything else."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.harness.http_client import HttpClient
from tests.harness.server_process import ServerProcess

ECHO = "/model/basic:pass_through"


@pytest.fixture
def client(plain_server: ServerProcess) -> Iterator[HttpClient]:
    with HttpClient(plain_server.rest_address) as made:
        yield made


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (1, "int32 ()"),
        (-2147483648, "int32 ()"),
        (1.0, "float32 ()"),
        (1e3, "float32 ()"),
        (True, "bool ()"),
        ([1, 2], "int32 (2,)"),
        ([[1.5], [2.0]], "float32 (2, 1)"),
        ([[True, False]], "bool (1, 2)"),
        ({"b64": "AQ==", "type": "int8"}, "int8 ()"),
        ({"b64": "AQ==", "type": "int8", "shape": []}, "int8 ()"),
        ({"b64": "AQ==", "type": "uint8", "shape": [1]}, "uint8 (1,)"),
        ({"b64": "AAAAAA==", "type": "fp16", "shape": [2]}, "float16 (2,)"),
        ({"b64": "AAAAAA==", "type": "float16", "shape": [2, 1]}, "float16 (2, 1)"),
        ({"b64": "AAAAAA==", "type": "fp32"}, "float32 ()"),
        ({"b64": "AAAAAAAAAAA=", "type": "float64", "shape": [1]}, "float64 (1,)"),
        ({"b64": "", "type": "int64", "shape": [1, 0]}, "int64 (1, 0)"),
        ({"b64": "AQ==", "type": "bool", "shape": [1, 1]}, "bool (1, 1)"),
    ],
    ids=json.dumps,
)
def test_dtype_and_shape_of_a_json_value(client: HttpClient, sent: Any, kind: str) -> None:
    reply = client.call("basic", "describe_input", {"x": sent})
    assert reply.instances == [{"text": f"ndarray {kind} writable"}]


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("a", "str 'a'"),
        (["a"], "str 'a'"),
        ("\ud83d\ude00", "str '\U0001f600'"),
        ({"b64": "YQ==", "type": "str"}, "str 'a'"),
        ([{"b64": "YQ==", "type": "str"}], "str 'a'"),
        ({"b64": "YQ=="}, "ndarray uint8 (1,) writable"),
        ([{"b64": "YWI=", "type": "bytes"}], "ndarray uint8 (2,) writable"),
    ],
    ids=json.dumps,
)
def test_text_in_json(client: HttpClient, sent: Any, text: str) -> None:
    assert client.call("basic", "describe_input", {"x": sent}).instances == [{"text": text}]


@pytest.mark.parametrize(
    ("sent", "returned"),
    [
        ("[0.1]", "[0.10000000149011612]"),
        ("1.0", "1.0"),
        ("-0.0", "-0.0"),
        ("[1e16, 123456789012345.0]", "[1.0000000272564224e+16,123456788103168.0]"),
        ("1e-5", "9.999999747378752e-06"),
        ('{"b64":"AADAfwAAgH8AAID/","type":"fp32","shape":[3]}', "[null,null,null]"),
        ('{"b64":"AAAAAAAA8D8=","type":"fp64"}', "1.0"),
        ('{"b64":"//////////8=","type":"uint64"}', "18446744073709551615"),
        ('{"b64":"AAAAAAAAAIA=","type":"int64","shape":[1]}', "[-9223372036854775808]"),
        ('{"b64":"","type":"int32","shape":[0]}', "[]"),
        ('{"b64":"","type":"int32","shape":[1,0]}', "[[]]"),
        ('{"b64":"","type":"int32","shape":[2,0]}', "[[],[]]"),
        ('"a\\u0001\\n/\\"é"', '"a\\u0001\\n/\\"é"'),
        ('["a"]', '["a"]'),
        ('{"b64":"AP8="}', '{"b64":"AP8="}'),
        ('[{"b64":"AP8="}]', '[{"b64":"AP8="}]'),
        ("[[true],[false]]", "[[true],[false]]"),
    ],
)
def test_exact_text_of_the_reply(client: HttpClient, sent: str, returned: str) -> None:
    reply = client.request(ECHO, f'{{"instances":{{"x":{sent}}}}}')
    assert reply.status == 200
    assert reply.body.decode() == f'{{"instances":[{{"y":{returned}}}]}}'


def test_a_shape_that_begins_with_zero_is_an_empty_list(client: HttpClient) -> None:
    assert client.call("basic", "tail", {"x": [[1, 2]]}).body == b'{"instances":[{"y":[]}]}'


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numbers_in_replies_read_back_as_the_same(client: HttpClient, dtype: type[np.floating]) -> None:
    bits = {2: np.uint16, 4: np.uint32, 8: np.uint64}[np.dtype(dtype).itemsize]
    sent = np.random.default_rng(3).integers(0, np.iinfo(bits).max, 5000, bits, endpoint=True).view(dtype)
    sent[:6] = [0.0, -0.0, np.finfo(dtype).max, np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal, 0.1]
    sent = sent[np.isfinite(sent)]
    value = {"b64": base64.b64encode(sent.tobytes()).decode(), "type": sent.dtype.name, "shape": [len(sent)]}
    (reply,) = client.call("basic", "pass_through", {"x": value}).instances
    assert np.array(reply["y"], dtype).tobytes() == sent.tobytes()
    if dtype is np.float32:  # and so do the same numbers, sent as they came back
        again = client.call("basic", "pass_through", {"x": reply["y"]}).instances
        assert np.array(again[0]["y"], dtype).tobytes() == sent.tobytes()


def test_names_may_be_written_with_escapes(client: HttpClient) -> None:
    assert client.request(ECHO, r'{"inst\u0061nces":{"\u0078":5}}').instances == [{"y": 5}]


def test_names_of_outputs_stand_in_byte_order(client: HttpClient) -> None:
    reply = client.call("basic", "swapped", {"a": 1, "b": 2})
    assert reply.body == b'{"instances":[{"first":2,"second":1}]}'


BODIES = [
    ("", "http message invalid"),
    ("{", "Illegal JSON format"),
    ('{"instances": [{"x": 1,}]}', "Illegal JSON format"),
    ('{"instances": [{"x": NaN}]}', "Illegal JSON format"),
    ('{"instances": [{"x": 1}]} trailing', "Illegal JSON format"),
    ('{"instances": [{"x": 01}]}', "Illegal JSON format"),
    ('{"instances": {"x": "\x01"}}', "Illegal JSON format"),
    ('{"instances": {"x": "\\ud800"}}', None),
    ("[" * 100_000, None),
    ("[]", "key 'instances' expects to exist once, but actually 0 times"),
    ("{}", "key 'instances' expects to exist once, but actually 0 times"),
    ('{"instances": []}', "array type, but no value"),
    ('{"instances": 1}', "no key mode is not supported"),
    ('{"instances": null}', "no key mode is not supported"),
    ('{"instances": [1]}', "no key mode is not supported"),
    ('{"instances": [{"x": 1}, 2]}', "instance is not object type"),
    ('{"instances": [{"x": 1}, {}]}', "instance is object type, but no value"),
    ('{"instances": {}}', "json object, value is empty"),
    ('{"instances": {"": 1}}', "string key is empty"),
]


@pytest.mark.parametrize(("body", "fragment"), BODIES, ids=[body[:40] for body, _ in BODIES])
def test_malformed_body(client: HttpClient, body: str, fragment: str | None) -> None:
    reply = client.request(ECHO, body)
    assert reply.status == 400
    assert fragment is None or fragment in reply.error


def test_body_that_is_not_utf8(client: HttpClient) -> None:
    reply = client.request(ECHO, b'{"instances": {"x": "\xff\xfe"}}')
    assert reply.status == 400
    assert "Illegal JSON format" in reply.error


VALUES = [
    (None, "json value is null, it is not supported"),
    (2147483648, "base64"),
    ([1, -2147483649], "base64"),
    (1e39, "base64"),
    ([], "json array, shape is empty"),
    ([[]], "json array, data type is unknown"),
    ([None], "json array, data type is unknown"),
    (["a", "b"], "json array, string or bytes type only support one item"),
    ([["a"]], "(1,) or empty"),
    ([1, [2]], "json array, data should be number, bool, string or bytes"),
    ([1, None], "json array, data should be number, bool, string or bytes"),
    ([[1], 2], "invalid json array: json type is not array"),
    ([[1, 2], [3]], "invalid json array: json size is 1, the dim 1 expected to be 2"),
    ([1, 2.5], "json array, elements type is not equal"),
    ([1, True], "json array, elements type is not equal"),
    ([True, "a"], "json array, elements type is not equal"),
    ([{"b64": "AQ==", "type": "int8"}], "object only support string or bytes type"),
    ({}, "json object, value is empty"),
    ({"b64": "", "type": "str", "shape": [1], "more": 1}, "items size is more than 3"),
    ({"b64": "AQ==", "kind": "str"}, "key is not ['b64', 'type', 'shape'], fail key:kind"),
    ({"type": "str"}, "'b64' should be specified only one time"),
    ({"b64": 1}, "get scalar data failed, type is string, but json is not string type"),
    ({"b64": "AQ==", "type": 1}, "key is 'type', value should be string type"),
    ({"b64": "AQ==", "type": "int9"}, "specified type:'int9' is illegal"),
    ({"b64": "AQ==", "type": "int8", "shape": 1}, "key is 'shape', value should be array type"),
    ({"b64": "AQ==", "type": "int8", "shape": [-1]}, "key is 'shape', array value should be unsigned integer"),
    ({"b64": "AQ==", "type": "int8", "shape": [1.0]}, "key is 'shape', array value should be unsigned integer"),
    ({"b64": "AQ==", "type": "int8", "shape": [[1]]}, "key is 'shape', array value should be unsigned integer"),
    ({"b64": "", "type": "int8", "shape": [1, 2, 0, 1]}, "key is 'shape', invalid shape value"),
    ({"b64": "YWI=", "type": "str", "shape": [2]}, "only support scalar when data type is string or bytes"),
    ({"b64": "YQ"}, "is illegal b64 encode string"),
    ({"b64": "Y!Jj"}, "size is not matched"),
    ({"b64": "===="}, "size is not matched"),
    ({"b64": "YQ==YWJj"}, "size is not matched"),
    (
        {"b64": "AQ==", "type": "fp16", "shape": [3]},
        "decode base64 size:1; Given info: type:float16; type size:2; element nums:3",
    ),
    ({"b64": "//4=", "type": "str"}, "UTF-8"),
]


@pytest.mark.parametrize(("value", "fragment"), VALUES, ids=[json.dumps(value)[:50] for value, _ in VALUES])
def test_value_that_is_no_tensor(client: HttpClient, value: Any, fragment: str) -> None:
    reply = client.call("basic", "pass_through", {"x": value})
    assert reply.status == 400
    assert fragment in reply.error


def test_the_last_of_duplicate_keys_counts(client: HttpClient) -> None:
    assert client.request(ECHO, '{"instances":{"x":1,"x":2}}').instances == [{"y": 2}]


def test_other_top_level_keys_are_ignored(client: HttpClient) -> None:
    assert client.request(ECHO, '{"a":[{}],"instances":{"x":1},"b":null}').instances == [{"y": 1}]


def test_some_failed_instances_are_still_status_200(client: HttpClient) -> None:
    reply = client.call("failing", "raises", {"x": 1}, {"x": -1})
    assert reply.status == 200
    fine, failed = reply.instances
    assert fine == {"y": 1}
    assert list(failed) == ["error_msg"]
    assert "negative value -1" in failed["error_msg"]
