"""Where servables are found: modules by location, versions by directory names."""

from __future__ import annotations

import re
import sys

import pytest

from mindspore_serving.server._worker.loader import choose_version, load_config

METHOD = """
from mindspore_serving.server import register
@register.register_method(output_names=["y"])
def {name}(x):
    return x
"""


@pytest.fixture
def servable(tmp_path, monkeypatch):
    """`servable(name, files)`: writes the files of a servable and loads it; returns the names of its methods."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))

    def load(name, **files):
        directory = tmp_path / name
        directory.mkdir()
        for file, text in files.items():
            (directory / f"{file}.py").write_text(text)
        _, signature = load_config(str(tmp_path), name)
        return [method.name for method in signature.methods]

    return load


@pytest.mark.parametrize("name", ["add", "a-b", "a.b", "with blank", "json", "numpy", "register", "mindspore_serving"])
def test_any_name_works_with_relative_imports(servable, name):
    config = "from .helper import name\n" + METHOD.format(name="first")
    assert servable(name, servable_config=config, helper="name = 1") == ["first"]
    import json

    assert json.dumps([]) == "[]"


def test_absolute_imports_of_helpers(servable):
    config = "from my_add.helper import *"
    assert servable("my_add", servable_config=config, helper=METHOD.format(name="helped")) == ["helped"]


def test_the_package_may_have_an_init_file(servable):
    config = "from . import number\n" + METHOD.format(name="m")
    assert servable("with_init", servable_config=config, __init__="number = 3") == ["m"]


def test_the_module_has_the_servables_name(servable):
    servable("named", servable_config=METHOD.format(name="m") + "assert __name__ == 'named.servable_config'")


def test_a_servable_behind_a_link(tmp_path, servable):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "servable_config.py").write_text(METHOD.format(name="m"))
    _, signature = load_config(str(tmp_path), "link")
    assert signature.name == "link"


def test_errors_name_the_module(servable):
    with pytest.raises(RuntimeError, match=re.escape("import bad.servable_config failed, division by zero")):
        servable("bad", servable_config="1 / 0")


@pytest.fixture
def versions(tmp_path):
    def make(*names):
        for name in names:
            (tmp_path / "s" / name).mkdir(parents=True)
        (tmp_path / "s").mkdir(exist_ok=True)
        (tmp_path / "s" / "9").write_text("a file, no version")
        return str(tmp_path)

    return make


@pytest.mark.parametrize(
    ("names", "requested", "has_models", "version"),
    [
        (["1", "2", "10"], 0, True, 10),
        (["1", "2", "10"], 2, True, 2),
        (["1", "007", "0", "x2", "2x"], 0, True, 1),
        ([], 0, False, 1),
        ([], 5, False, 5),
        (["3"], 0, False, 3),
    ],
)
def test_chosen_versions(versions, names, requested, has_models, version):
    assert choose_version(versions(*names), "s", requested, has_models) == version


@pytest.mark.parametrize(
    ("names", "requested", "text"),
    [
        ([], 0, "There is no valid version directory of models"),
        ([], 1, "There is no valid version directory of models"),
        (["0"], 0, "There is no valid version directory of models"),
        (["1"], 2, "There is no specified version directory of models, specified version number: 2"),
    ],
)
def test_missing_versions(versions, names, requested, text):
    with pytest.raises(RuntimeError, match=text):
        choose_version(versions(*names), "s", requested, True)


@pytest.mark.parametrize(
    ("call", "text"), [("sys.exit(3)", "3"), ("sys.exit('no licence')", "no licence"), ("sys.exit()", "without a")]
)
def test_a_configuration_that_exits_is_told_as_a_failure(servable, call, text):
    with pytest.raises(RuntimeError, match=rf"import leaving.servable_config failed, {text}.*SystemExit.*line 2"):
        servable("leaving", servable_config=f"import sys\n{call}\n")
