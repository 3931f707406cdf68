"""Names that say nothing, files and functions that grew too long."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BANNED = re.compile(r"^(base_.*|(.*_)?(common|utils?|helpers?|managers?)(_.*)?)$")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

FILES = sorted(
    path
    for folder in ("mindspore_serving", "ccsrc", "tests", "example")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".pyi", ".h", ".cc") and not path.name.startswith("ms_")
)
PYTHON_FILES = [path for path in FILES if path.suffix == ".py"]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_names_say_what_it_is(path):
    for part in (*path.relative_to(ROOT).parts[:-1], path.stem):
        assert not BANNED.match(part), f"'{part}' says nothing about what is in {relative(path)}"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_files_stay_short(path):
    lines = len(path.read_text().splitlines())
    assert lines <= MAX_FILE_LINES, f"{relative(path)} has {lines} lines"


@pytest.mark.parametrize("path", PYTHON_FILES, ids=relative)
def test_functions_stay_short(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = node.end_lineno - node.lineno + 1
            assert lines <= MAX_FUNCTION_LINES, f"{relative(path)}:{node.lineno} {node.name} has {lines} lines"


@pytest.mark.parametrize(
    ("name", "banned"),
    [
        ("utils", True),
        ("tensor_util", True),
        ("common", True),
        ("base_engine", True),
        ("base", False),
        ("commons", False),
    ],
)
def test_the_pattern(name, banned):
    assert bool(BANNED.match(name)) is banned
