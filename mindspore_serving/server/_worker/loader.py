"""Finds and runs a servable's `servable_config.py`, and chooses its version directory."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import os
import re
import sys
import traceback
from types import ModuleType

from mindspore_serving.server.register.declaration import Declaration, declaring
from mindspore_serving.server.register.signature import ServableSignature

CONFIG_FILE = "servable_config.py"
_VERSION_NAME = re.compile("[1-9][0-9]*")
MODEL_LESS_VERSION = 1
"""The version that a servable without models is served as, where none was asked for."""


def load_config(servable_directory: str, servable_name: str) -> tuple[Declaration, ServableSignature]:
    """Runs `servable_config.py` as the module `<servable_name>.servable_config` and returns what it declared.

    Raises:
        RuntimeError: 'import <name>.servable_config failed, ...' with the text of whatever it raised, the file and the
            line, and the method and the stage it concerns.
    """
    directory = os.path.join(servable_directory, servable_name)
    if servable_directory not in sys.path:
        sys.path.append(servable_directory)
    with declaring(servable_name, directory) as declaration:
        try:
            _run_config(servable_name, directory)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            place = ", ".join(filter(None, (_place(error, directory), declaration.failure_place(error))))
            raise RuntimeError(
                f"import {servable_name}.servable_config failed, {_text(error)} ({type(error).__name__} in {place})"
            ) from error
        try:
            return declaration, declaration.signature()
        except RuntimeError as error:
            raise RuntimeError(f"{error} (in file '{os.path.join(directory, CONFIG_FILE)}')") from error


def _text(error: BaseException) -> str:
    """What the error says, without the bare file name that a syntax error adds."""
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return text or "without a message"


def _place(error: BaseException, directory: str) -> str:
    """The file and line of the servable that the error comes from: the last of its own, not of what it calls."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"file '{error.filename}', line {error.lineno}"
    own = os.path.join(directory, "")
    lines = [
        (frame.f_code.co_filename, number)
        for frame, number in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename.startswith(own)
    ]
    if not lines:
        return f"file '{os.path.join(directory, CONFIG_FILE)}'"
    file, line = lines[-1]
    return f"file '{file}', line {line}"


def _run_config(servable_name: str, directory: str) -> None:
    package = _make_package(servable_name, directory)
    spec = importlib.util.spec_from_file_location(f"{package}.servable_config", os.path.join(directory, CONFIG_FILE))
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{CONFIG_FILE} in {directory} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)


def _make_package(servable_name: str, directory: str) -> str:
    """A package whose modules lie in the servable's directory, so that relative and absolute imports of helpers work.

    It has the servable's name, unless an installed module has that name already.
    """
    name = servable_name if not _is_taken(servable_name, directory) else f"servable {servable_name}"
    init_file = os.path.join(directory, "__init__.py")
    if os.path.isfile(init_file):
        spec = importlib.util.spec_from_file_location(name, init_file, submodule_search_locations=[directory])
    else:
        spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [directory]
    assert spec is not None
    package: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    if spec.loader is not None and os.path.isfile(init_file):
        spec.loader.exec_module(package)
    return name


def _is_taken(name: str, directory: str) -> bool:
    if name in sys.modules:
        return True
    spec = None
    # Names with dots or odd characters are nobody's; asking for them may raise.
    with contextlib.suppress(ImportError, ValueError, AttributeError):
        spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return False  # nothing, or just a directory of that name
    return os.path.realpath(os.path.dirname(spec.origin)) != os.path.realpath(directory)


def choose_version(servable_directory: str, servable_name: str, requested: int, has_models: bool) -> int:
    """The version to serve: the one requested (0: the newest directory), or 1 where there are no models and versions.

    Raises:
        RuntimeError: there are models, but no directory for them.
    """
    if not has_models and requested > 0:
        return requested
    versions = _version_directories(os.path.join(servable_directory, servable_name))
    where = f"servable directory: {servable_directory}, servable name: {servable_name}"
    if not versions:
        if has_models:
            raise RuntimeError(f"There is no valid version directory of models, {where}")
        return MODEL_LESS_VERSION
    if requested == 0:
        return max(versions)
    if requested not in versions:
        raise RuntimeError(
            f"There is no specified version directory of models, specified version number: {requested}, {where}"
        )
    return requested


def _version_directories(directory: str) -> set[int]:
    """Directories named by a positive number without leading zeros."""
    with os.scandir(directory) as entries:
        return {int(entry.name) for entry in entries if _VERSION_NAME.fullmatch(entry.name) and entry.is_dir()}
