"""The servable that is being declared: whoever runs a `servable_config.py` says so with `declaring`."""

from __future__ import annotations

import contextlib
import contextvars
import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from mindspore_serving.server.register.signature import (
    BuiltinStage,
    FunctionStage,
    MethodSignature,
    ModelDeclaration,
    ModelStage,
    ServableSignature,
    Stage,
)


class ModelCaller(Protocol):
    """What `Model.call` needs of the process that serves: runs instances of a model and waits for them."""

    def call_model(self, key: str, subgraph: int, instances: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """The outputs of each instance. Raises `RuntimeError` with the text of the first failure."""

    def subgraph_input_counts(self, key: str) -> Sequence[int] | None:
        """The number of inputs of each subgraph; None for a model that is not declared."""


class Declaration:
    """Collects the models and methods of one servable."""

    def __init__(self, servable_name: str, directory: str) -> None:
        self.servable_name = servable_name
        self.directory = directory
        """Where `servable_config.py` lies."""
        self.caller: ModelCaller | None = None
        """Set once the servable runs."""
        self._models: dict[str, ModelDeclaration] = {}
        self._methods: dict[str, MethodSignature] = {}
        self._functions: list[FunctionStage] = []
        self._model_counts: dict[tuple[str, int], tuple[int, int]] = {}
        self._failure: tuple[Exception, str] | None = None

    @property
    def model_keys(self) -> tuple[str, ...]:
        """The keys of the models declared so far."""
        return tuple(self._models)

    def note_failure(self, error: Exception, where: str) -> None:
        """Keeps which method and stage `error` belongs to."""
        self._failure = (error, where)

    def failure_place(self, error: BaseException) -> str:
        """What was noted for `error`; empty when it came from somewhere else."""
        return self._failure[1] if self._failure is not None and self._failure[0] is error else ""

    def add_model(self, model: ModelDeclaration) -> None:
        """Raises `RuntimeError` when one of its files belongs to another model already."""
        used = {file for other in self._models.values() for file in other.files}
        for file in model.files:
            if file in used:
                raise RuntimeError(
                    f"Call declare_model failed, model file '{file}' has already been used, each model file can only "
                    f"be declared once"
                )
        self._models[model.key] = model

    def subgraph_count(self, model_key: str) -> int:
        """The number of files of a declared model."""
        return len(self._models[model_key].files)

    def add_method(self, method: MethodSignature) -> None:
        """Takes a method whose name `check_method_name` accepted."""
        self._methods[method.name] = method

    def check_method_name(self, name: str) -> None:
        """Raises `RuntimeError` for a name that is taken."""
        if name in self._methods:
            raise RuntimeError(f"Method {name} has been registered more than once.")

    def add_stage(self, stage: Stage) -> None:
        """Checks a new stage against earlier uses of the same function or model."""
        if isinstance(stage, FunctionStage):
            self._add_function(stage)
        elif isinstance(stage, ModelStage):
            self._add_model_use(stage)

    def function_named(self, name: str) -> Callable[..., Any] | None:
        """The function last used in a stage under '<servable>.<function>'."""
        return next((use.function for use in reversed(self._functions) if use.name == name), None)

    def signature(self) -> ServableSignature:
        """All that was declared so far. Raises `RuntimeError` when there is no method or a stage cannot work."""
        if not self._methods:
            raise RuntimeError(
                f"There is no method registered for servable {self.servable_name}: decorate at least one function with "
                f"'register_method' in {os.path.join(self.directory, 'servable_config.py')}"
            )
        for method in self._methods.values():
            _check_calls(method)
        return ServableSignature(self.servable_name, tuple(self._models.values()), tuple(self._methods.values()))

    def _add_function(self, stage: FunctionStage) -> None:
        earlier = next((use for use in self._functions if use.function is stage.function), None)
        if earlier is not None:
            _check_same_counts(stage, earlier)
            if (earlier.batch_size is None) != (stage.batch_size is None):
                raise RuntimeError(
                    f"Call 'add_stage' failed, parameter 'batch_size' in multiple 'add_stage' should be enabled or "
                    f"disabled consistently, function '{stage.name}'"
                )
        self._functions.append(stage)

    def _add_model_use(self, stage: ModelStage) -> None:
        counts = (len(stage.inputs), stage.outputs_count)
        old = self._model_counts.setdefault((stage.model_key, stage.subgraph), counts)
        for what, count, old_count in zip(("inputs", "outputs"), counts, old, strict=True):
            if count != old_count:
                raise RuntimeError(
                    f"Model {stage.model_key} RegisterInputOutputInfo failed, {what} count {count} not match old count "
                    f"{old_count}"
                )


def _check_same_counts(stage: FunctionStage | BuiltinStage, earlier: FunctionStage) -> None:
    for what, count, old_count in (
        ("inputs", len(stage.inputs), len(earlier.inputs)),
        ("outputs", stage.outputs_count, earlier.outputs_count),
    ):
        if count != old_count:
            raise RuntimeError(
                f"Function '{stage.name}' {what} count {count} not match last registered count {old_count}"
            )


def _check_calls(method: MethodSignature) -> None:
    # Not when the stage is added: that uses of a function contradict each other is to be said first.
    for number, stage in enumerate(method.stages, start=1):
        if not isinstance(stage, FunctionStage):
            continue
        count = len(stage.inputs) if stage.batch_size is None else 1
        try:
            inspect.signature(stage.function).bind(*[None] * count)
        except TypeError as error:
            what = "one argument, the tuple of instances" if stage.batch_size is not None else f"{count} arguments"
            raise RuntimeError(
                f"function '{stage.name}' cannot be called with {what}: {error}; method: '{method.name}', stage "
                f"index(begin with 1): {number}"
            ) from error


_declaring: contextvars.ContextVar[Declaration] = contextvars.ContextVar("declaring")
_serving: contextvars.ContextVar[Declaration] = contextvars.ContextVar("serving")


@contextlib.contextmanager
def declaring(servable_name: str, directory: str | os.PathLike[str]) -> Iterator[Declaration]:
    """Inside the block, `declare_model` and `register_method` declare for this servable."""
    declaration = Declaration(servable_name, os.fspath(directory))
    token = _declaring.set(declaration)
    try:
        yield declaration
    finally:
        _declaring.reset(token)


def current_declaration() -> Declaration:
    """Raises `RuntimeError` outside the run of a `servable_config.py`."""
    declaration = _declaring.get(None)
    if declaration is None:
        raise RuntimeError(
            "Failed to obtain the directory of servable_config.py: models and methods can only be declared while a "
            "servable_config.py is being loaded"
        )
    return declaration


def serve(declaration: Declaration, caller: ModelCaller) -> None:
    """From now on `Model.call` of the servable's models works; a `Model` made by hand finds them from this context."""
    declaration.caller = caller
    _serving.set(declaration)


def serving_declaration() -> Declaration | None:
    """The servable that runs in this context, if any."""
    return _serving.get(None)
