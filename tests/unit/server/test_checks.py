"""The argument checks and their texts."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mindspore_serving.server import checks


@pytest.mark.parametrize(
    ("check", "value", "text"),
    [
        (checks.check_str, 1, "Parameter 'p' should be str, but actually <class 'int'>"),
        (checks.check_str, "", "Parameter 'p' should not be empty str"),
        (checks.check_bytes, bytearray(b"x"), "Parameter 'p' should be bytes, but actually <class 'bytearray'>"),
        (checks.check_bytes, b"", "Parameter 'p' should not be empty bytes"),
        (checks.check_bool, 1, "Parameter 'p' should be bool, but actually <class 'int'>"),
        (checks.check_int, True, "Parameter 'p' should be int, but actually <class 'bool'>"),
        (checks.check_int, np.int64(1), "Parameter 'p' should be int, but actually <class 'numpy.int64'>"),
        (checks.check_ints, "1", "Parameter 'p' should be int or tuple/list of int, but actually <class 'str'>"),
        (checks.check_ints, {1}, "Parameter 'p' should be int or tuple/list of int, but actually <class 'set'>"),
        (checks.check_ints, True, "The item value 'True' in parameter 'p' should be int"),
        (checks.check_ints, [1, 1], "The item value '1' in parameter 'p' should not be repeated"),
        (checks.check_ints, ["1", "1"], "The item value '1' in parameter 'p' should not be repeated"),
        (checks.check_int_sequence, 1, "Parameter 'p' should be tuple/list of int, but actually <class 'int'>"),
        (checks.check_strs, 1, "Parameter 'p' should be str or tuple/list of str, but actually <class 'int'>"),
        (checks.check_strs, ["a", 1], "The item of parameter 'p' should be str, but actually <class 'int'>"),
        (checks.check_strs, ["a", ""], "The item of parameter 'p' should not be empty str"),
        (checks.check_strs, ["a", "a"], "The item value 'a' in parameter 'p' should not be repeated"),
    ],
)
def test_texts(check, value, text):
    with pytest.raises(RuntimeError, match=re.escape(text)):
        check("p", value)


@pytest.mark.parametrize(
    ("bounds", "value", "text"),
    [
        ((1, None), 0, "Parameter 'p' should be >= 1"),
        ((None, 5), 6, "Parameter 'p' should be <= 5"),
        ((0, 64), 65, "Parameter 'p' should be in range [0,64]"),
    ],
)
def test_bounds(bounds, value, text):
    with pytest.raises(RuntimeError, match=re.escape(text)):
        checks.check_int("p", value, *bounds)


def test_accepted_values_come_back():
    assert checks.check_ints("p", 3) == (3,)
    assert checks.check_ints("p", [3, 1]) == (3, 1)
    assert checks.check_ints("p", ()) == ()
    assert checks.check_strs("p", "a") == ("a",)
    assert checks.check_int("p", 64, 0, 64) == 64
