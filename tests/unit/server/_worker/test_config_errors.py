"""What a mistake in a `servable_config.py` is answered with: file, line, method, stage and what to do."""

from __future__ import annotations

import sys

import pytest

from mindspore_serving.server._worker.loader import load_config


@pytest.fixture
def servable(tmp_path, monkeypatch):
    """`servable(name, files)`: writes the files of a servable and loads it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))

    def load(name, **files):
        directory = tmp_path / name
        directory.mkdir()
        for file, text in files.items():
            (directory / f"{file}.py").write_text(text)
        load_config(str(tmp_path), name)

    return load


ADD_ONE = """
from mindspore_serving.server import register

def one(x):
    return x

def two(x1, x2):
    return x1

def batch(instances):
    return instances

@register.register_method(output_names=["y"])
def first(x1, x2):
    return register.add_stage(one, x1, outputs_count=1)

"""


def _method(*lines):
    body = "".join(f"    {line}\n" for line in lines)
    return f'{ADD_ONE}@register.register_method(output_names=["y"])\ndef predict(x1, x2):\n{body}'


# Method lines, the error's text, and the line of the body and the stage that it names.
WRONG_METHODS = {
    "unknown_name": (
        ["y = register.add_stage(one, x1, outputs_count=1)", "return register.add_stage(thre, y, outputs_count=1)"],
        "name 'thre' is not defined (NameError in ",
        2,
        None,
    ),
    "unknown_function": (
        ["y = register.add_stage(one, x1, outputs_count=1)", "return register.add_stage('thre', y, outputs_count=1)"],
        "Function 'thre' is not defined: give the function itself, or the name of a built-in function (argmax_cpp)",
        2,
        "2, stage: function 'thre'",
    ),
    "not_callable_alone": (
        ["return register.add_stage([].append, x1, outputs_count=1)"],
        "the parameter 'stage' of add_stage must be function or Model returned by declare_model, now is <class 'bui",
        1,
        "1, stage: function 'list.append'",
    ),
    "no_placeholder": (
        ["return register.add_stage(two, x1, 3, outputs_count=1)"],
        "Each value of parameter *args is a placeholder for data and must come from the method 'predict' inputs or",
        1,
        "1, stage: function 'two'",
    ),
    "arity": (
        ["return register.add_stage(two, x1, outputs_count=1)"],
        "function two input args count 2 not match the count 1 registered in method",
        1,
        "1, stage: function 'two'",
    ),
    "batch_size": (
        ["return register.add_stage(batch, x1, outputs_count=1, batch_size=-1)"],
        "Parameter 'batch_size' should be >= 0",
        1,
        "1, stage: function 'batch'",
    ),
    "batch_size_type": (
        ["return register.add_stage(batch, x1, outputs_count=1, batch_size='4')"],
        "Parameter 'batch_size' should be int, but actually <class 'str'>",
        1,
        "1, stage: function 'batch'",
    ),
    "other_counts": (
        ["y = register.add_stage(two, x1, x2, outputs_count=1)", "a, y = register.add_stage(one, y, outputs_count=2)"],
        "'other_counts.one' outputs count 2 not match last registered count 1",
        2,
        "2, stage: function 'one'",
    ),
    "unpack": (
        ["a, b = register.add_stage(one, x1, outputs_count=1)", "return a"],
        "cannot unpack non-iterable _TensorDef object (TypeError in ",
        1,
        None,
    ),
    "returns_array": (
        ["return x1, 3"],
        "Each value returned is a placeholder for data and must come from the method 'predict' inputs or",
        None,
        None,
    ),
    "returns_nothing": (
        ["register.add_stage(one, x1, outputs_count=1)"],
        "A method should return its outputs, a placeholder or a tuple of them: 'NoneType' object is not iterable",
        None,
        None,
    ),
    "returns_two": (["return x1, x2"], "output size 2 not match registered 1, output names: y (Run", None, None),
    "no_message": (["assert not x1"], "failed, without a message (AssertionError in ", 1, None),
    "old_order": (
        ["y = register.call_preprocess(one, x1)", "return y"],
        "Not find the invoke of 'call_servable' in method 'predict'",
        None,
        None,
    ),
    "old_loop": (
        ["while x1:", "    y = register.call_servable(x1)"],
        "complex statements such as conditions and loops are not supported in register_method",
        2,
        "1, stage: function 'call_servable'",
    ),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", WRONG_METHODS)
def test_errors_name_file_line_method_and_stage(tmp_path, servable, name):
    lines, text, line, stage = WRONG_METHODS[name]
    with pytest.raises(RuntimeError) as caught:
        servable(name, servable_config=_method(*lines))
    message = str(caught.value)
    assert message.startswith(f"import {name}.servable_config failed, ")
    assert text in message
    first_line = _method().count("\n")
    if line is not None:
        assert f"in file '{tmp_path / name / 'servable_config.py'}', line {first_line + line}, method: " in message
    assert f"file '{tmp_path / name / 'servable_config.py'}', line " in message
    assert message.endswith("method: 'predict'" + (f", stage index(begin with 1): {stage})" if stage else ")"))


def test_a_name_twice(tmp_path, servable):
    with pytest.raises(RuntimeError, match=r"Method first has been registered more than once\..*method: 'first'\)$"):
        servable("twice", servable_config=ADD_ONE + ADD_ONE)


def test_an_error_between_methods_names_no_method(tmp_path, servable):
    caught_before = "try:\n    register.register_method('y')(lambda x: 1)\nexcept Exception:\n    pass\n"
    with pytest.raises(RuntimeError) as caught:
        servable("between", servable_config=f"{ADD_ONE}{caught_before}register.declare_model('a', 'GIF')\n")
    line = (ADD_ONE + caught_before).count("\n") + 1
    assert str(caught.value).endswith(
        f"(RuntimeError in file '{tmp_path / 'between' / 'servable_config.py'}', line {line})"
    )
    assert "model format can only be " in str(caught.value)


@pytest.mark.parametrize(
    ("config", "helper", "file", "line", "text"),
    [
        ("x = 1\ndef f(:\n", "", "servable_config.py", 2, "(SyntaxError in"),
        ("if True:\nx = 1\n", "", "servable_config.py", 2, "expected an indented block"),
        ("from . import helper\n", "x = 1\ny = = 2\n", "helper.py", 2, "failed, invalid syntax (SyntaxError in"),
        ("from . import helper\n", "\n\n1 / 0\n", "helper.py", 3, "failed, division by zero (ZeroDivisionError in"),
        ("\nfrom .helper import x\n", "", "servable_config.py", 2, "cannot import name 'x' from 'errors.helper'"),
        ("\nfrom . import nothing\n", "", "servable_config.py", 2, "cannot import name 'nothing' from 'errors'"),
        ("import json\njson.loads('{')\n", "", "servable_config.py", 2, "(JSONDecodeError in"),
        ("import helpful_package\n", "", "servable_config.py", 1, "No module named 'helpful_package'"),
        ("{}['key']\n", "", "servable_config.py", 1, "failed, 'key' (KeyError in"),
    ],
)
def test_errors_of_the_file_and_its_helpers(tmp_path, servable, config, helper, file, line, text):
    with pytest.raises(RuntimeError) as caught:
        servable("errors", servable_config=config, helper=helper)
    assert text in str(caught.value)
    assert str(caught.value).endswith(f" in file '{tmp_path / 'errors' / file}', line {line})")


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        (
            "two, x1, x2, outputs_count=1, batch_size=4",
            "function 'useless.two' cannot be called with one argument, the tuple of instances: missing a required",
        ),
        ("needs_key, x1, x2, outputs_count=1", "function 'useless.needs_key' cannot be called with 2 arguments: "),
    ],
)
def test_functions_that_cannot_be_called_are_found(tmp_path, servable, stage, text):
    config = _method(f"return register.add_stage({stage})")
    config = config.replace("def batch(", "def needs_key(x, *, key):\n    return x\n\ndef batch(")
    with pytest.raises(RuntimeError) as caught:
        servable("useless", servable_config=config)
    assert text in str(caught.value)
    file = tmp_path / "useless" / "servable_config.py"
    assert str(caught.value).endswith(f"method: 'predict', stage index(begin with 1): 1 (in file '{file}')")


def test_a_file_without_methods(tmp_path, servable):
    with pytest.raises(RuntimeError, match=r"no method registered for servable none: decorate at least one function"):
        servable("none", servable_config="x = 1")
