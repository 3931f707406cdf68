"""Who may import whom (ARCHITECTURE.md): Python modules by their syntax trees, C++ layers by their includes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "mindspore_serving"

# What a part of the package (module prefix) may not import, itself or through what it imports when it is loaded.
FORBIDDEN = {
    "client": ["server", "mindspore", "aiohttp", "uvloop"],
    "log": ["client", "server", "numpy", "google", "grpc", "mindspore"],
    "server.register": ["server._master", "server._worker", "client", "mindspore", "mindspore_lite", "onnxruntime"],
    "server._master": [
        *("server._worker", "server._agent", "server.register", "client", "proto"),
        *("numpy", "google", "grpc", "mindspore", "mindspore_lite", "onnxruntime"),
    ],
    "server._worker": ["server._master", "server._agent", "client", "aiohttp", "uvloop", "grpc"],
    "server._agent": ["server._master", "client", "aiohttp", "uvloop"],
}
# Only these files may import these engines, wherever in the file the import stands.
ENGINES = {"mindspore", "mindspore_lite", "onnx", "onnxruntime"}
ENGINE_FILES = "server._worker.backends."

# A layer of ccsrc and the layers whose headers it may include beside its own.
INCLUDES = {
    "base": set(),
    "tensor": {"base"},
    "wire": {"base", "tensor"},
    "shm": {"base", "tensor"},
    "execute": {"base", "tensor", "shm"},
    "engine": {"base", "tensor", "execute"},
    "dispatch": {"base", "tensor", "wire", "shm"},
    "grpc": {"base", "tensor", "wire", "dispatch"},
    # The public header is one layer with what is behind it; what includes gRPC is apart: the rest is tested alone.
    "client": {"mindspore_serving", "base", "tensor", "wire"},
    "client/grpc": {"mindspore_serving", "base", "tensor", "wire", "client", "grpc/message_bytes.h"},
    # Two closed modules: what one has the other has not, but for the log, which each has for itself.
    "python/log": {"base"},
    "python/master": {"base", "tensor", "wire", "shm", "dispatch", "grpc", "python/log"},
    "python/worker": {"base", "tensor", "shm", "execute", "engine", "python/log"},
}
PYTHON_HEADERS = re.compile(r"^(Python\.h|nanobind/|numpy/|pybind11/)")
GRPC_HEADERS = re.compile(r"^(grpc|grpcpp|google/protobuf)/")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted((ROOT / PACKAGE).rglob("*.py")) if "proto" not in path.parts}


@cache
def imports(module: str, everywhere: bool = False) -> frozenset[str]:
    """What a module imports when it is loaded, or anywhere in it. `from a import b` is `a.b` where that is a module.

    Loading a module loads the packages it lies in first."""
    tree = ast.parse(SOURCES[module].read_text())
    found = set(_imports(tree, module, everywhere))
    if not everywhere:
        parents = module.split(".")[:-1]
        found |= {".".join(parents[:count]) for count in range(1, len(parents) + 1)}
    return frozenset(found - {module})


def _imports(tree: ast.AST, module: str, everywhere: bool) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in SOURCES else str(node.module)
        elif everywhere or not (_is_function(node) or _is_for_type_checkers(node)):
            yield from _imports(node, module, everywhere)


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))


def _is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def loaded_by(module: str) -> set[str]:
    """All that is loaded with a module, without the packages of `module` itself: they are the importer's business."""
    pending = [name for name in imports(module) if not module.startswith(f"{name}.")]
    loaded: set[str] = set()
    while pending:
        name = pending.pop()
        if name in loaded:
            continue
        loaded.add(name)
        if name in SOURCES:
            pending += [other for other in imports(name) if not module.startswith(f"{other}.")]
    return loaded


def lies_in(name: str, part: str) -> bool:
    full = f"{PACKAGE}.{part}" if any(source.startswith(f"{PACKAGE}.{part}") for source in SOURCES) else part
    return name == full or name.startswith(f"{full}.")


@pytest.mark.parametrize("module", SOURCES)
def test_python_layers(module):
    for part, forbidden in FORBIDDEN.items():
        if not lies_in(module, part):
            continue
        for name in sorted(loaded_by(module) | imports(module, everywhere=True)):
            wrong = [other for other in forbidden if lies_in(name, other)]
            assert not wrong, f"{module} imports {name}; {part} may not import {wrong[0]}"


@pytest.mark.parametrize("module", SOURCES)
def test_engines_are_imported_by_their_backends_only(module):
    engines = {name.partition(".")[0] for name in imports(module, everywhere=True)} & ENGINES
    assert not engines or module.startswith(f"{PACKAGE}.{ENGINE_FILES}"), f"{module} imports {engines}"


def test_importing_the_server_loads_nothing_of_the_master():
    loaded = loaded_by(f"{PACKAGE}.server") | imports(f"{PACKAGE}.server")
    assert f"{PACKAGE}.server.api" in loaded
    heavy = ("server._master", "server._worker", "numpy", "aiohttp", "uvloop", "grpc", "google", "mindspore")
    assert not [name for name in loaded if any(lies_in(name, other) for other in heavy)]


def test_importing_the_package_loads_nothing():
    assert not imports(PACKAGE)


def test_python_imports_have_no_cycle():
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module in done:
            return
        for name in imports(module):
            # A package and what lies in it are one unit here: the package is always loaded first.
            if name in SOURCES and not module.startswith(f"{name}."):
                visit(name, (*path, module))
        done.add(module)

    for module in SOURCES:
        visit(module, ())


def cpp_files() -> list[Path]:
    return sorted(path for path in (ROOT / "ccsrc").rglob("*") if path.suffix in (".h", ".cc"))


def cpp_layer(path: Path) -> str:
    parts = path.relative_to(ROOT / "ccsrc").parts
    return "/".join(parts[:2]) if parts[0] == "python" or parts[:2] == ("client", "grpc") else parts[0]


@pytest.mark.parametrize("path", cpp_files(), ids=lambda path: str(path.relative_to(ROOT / "ccsrc")))
def test_cpp_layers(path):
    layer = cpp_layer(path)
    assert layer in INCLUDES, f"an unknown layer: {layer}"
    text = path.read_text()
    for included in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.MULTILINE):
        other = "/".join(included.split("/")[: 2 if included.startswith("python/") else 1])
        assert other == layer or {other, included} & INCLUDES[layer], f"{layer} may not include {included}"
    for included in re.findall(r"^\s*#\s*include\s+<([^>]+)>", text, re.MULTILINE):
        assert not PYTHON_HEADERS.match(included) or layer.startswith("python/"), f"{layer} may not include {included}"
        assert not GRPC_HEADERS.match(included) or layer.endswith("grpc"), f"{layer} may not include {included}"


def test_the_clients_header_needs_the_standard_library_alone():
    text = (ROOT / "ccsrc" / "client" / "include" / "mindspore_serving" / "client.h").read_text()
    included = re.findall(r"^\s*#\s*include\s+(.+)$", text, re.MULTILINE)
    assert included
    assert all(re.fullmatch(r"<[a-z_]+>", header) for header in included), included
