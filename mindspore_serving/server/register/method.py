"""`register_method` and `add_stage`: a method's function is run once with placeholders to learn its stages."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from mindspore_serving.server.checks import check_int, check_str, check_strs
from mindspore_serving.server.register.declaration import Declaration, current_declaration
from mindspore_serving.server.register.model import Model
from mindspore_serving.server.register.signature import (
    METHOD_INPUT,
    BuiltinStage,
    FunctionStage,
    MethodSignature,
    ModelStage,
    Source,
    Stage,
)

_BUILTIN_COUNTS = {"argmax_cpp": (1, 1)}
"""Inputs and outputs of the stage functions inside the C++ executor."""

MethodFunction = TypeVar("MethodFunction", bound=Callable[..., Any])


class _TensorDef:
    """Stands for a value while a method is traced; supports no operation at all."""

    __slots__ = ("source", "trace")

    def __init__(self, trace: MethodTrace, source: Source) -> None:
        self.trace = trace
        self.source = source


class MethodTrace:
    """The method that is being registered and its stages so far."""

    def __init__(self, function: Callable[..., Any], declaration: Declaration) -> None:
        self.function = function
        self.method_name = function.__name__
        self.declaration = declaration
        self.stages: list[Stage] = []
        self.place = ""
        """Which stage is being added, for messages; empty between stages."""
        self.end_check: Callable[[], None] | None = None
        """Called when the function has returned; may raise."""

    def add(self, stage: Stage) -> tuple[_TensorDef, ...]:
        self.declaration.add_stage(stage)
        self.stages.append(stage)
        return self.placeholders(len(self.stages), stage.outputs_count)

    @contextlib.contextmanager
    def adding(self, stage: Any) -> Iterator[None]:
        """Inside the block errors belong to the next stage."""
        self.place = f"stage index(begin with 1): {len(self.stages) + 1}, stage: {_stage_name(stage)}"
        yield
        self.place = ""

    def where(self) -> str:
        """The method, and the stage whose adding failed."""
        return f"method: '{self.method_name}'" + (f", {self.place}" if self.place else "")

    def placeholders(self, stage: int, count: int) -> tuple[_TensorDef, ...]:
        return tuple(_TensorDef(self, Source(stage, index)) for index in range(count))

    def sources(self, values: Sequence[Any], what: str) -> tuple[Source, ...]:
        for value in values:
            if not isinstance(value, _TensorDef) or value.trace is not self:
                raise RuntimeError(
                    f"{what} is a placeholder for data and must come from the method '{self.method_name}' inputs or "
                    f"the outputs of add_stage, but actually {type(value)}"
                )
        return tuple(value.source for value in values)


def _stage_name(stage: Any) -> str:
    if isinstance(stage, Model):
        return f"model '{stage.model_key}'"
    return f"function '{stage if isinstance(stage, str) else getattr(stage, '__qualname__', type(stage).__name__)}'"


_tracing: contextvars.ContextVar[MethodTrace] = contextvars.ContextVar("tracing")


def current_trace(caller: str) -> MethodTrace:
    """The method that is being registered. Raises `RuntimeError` that names `caller` outside of one."""
    current_declaration()
    trace = _tracing.get(None)
    if trace is None:
        raise RuntimeError(f"'{caller}' can only be called inside a function decorated with 'register_method'")
    return trace


def register_method(output_names: str | Sequence[str]) -> Callable[[MethodFunction], MethodFunction]:
    """Registers the decorated function as a method of the servable, under the function's name.

    The function runs once, at once, with a placeholder for each parameter; the `add_stage` calls it makes are the
    method's stages. Its parameter names are the names of the method's inputs (defaults are ignored).

    Args:
        output_names: the name of the output, or a tuple or list of names, one for each value the function returns.

    Returns:
        A decorator that returns the function unchanged.

    Raises:
        RuntimeError: a name is wrong or taken, or the function does not fit (`*args`, keyword-only parameters, values
            returned that are no placeholders or not as many as `output_names`).

    Example:
        >>> @register.register_method(output_names=["y"])
        ... def add_common(x1, x2):
        ...     y = register.add_stage(model, x1, x2, outputs_count=1)
        ...     return y
    """
    outputs = check_strs("output_names", output_names)

    def decorate(function: MethodFunction) -> MethodFunction:
        trace = MethodTrace(function, current_declaration())
        try:
            trace.declaration.add_method(_traced(trace, outputs))
        except Exception as error:
            trace.declaration.note_failure(error, trace.where())
            raise
        return function

    return decorate


def _traced(trace: MethodTrace, outputs: tuple[str, ...]) -> MethodSignature:
    name = trace.method_name
    inputs = _input_names(name, trace.function)
    trace.declaration.check_method_name(name)
    token = _tracing.set(trace)
    try:
        result = trace.function(*trace.placeholders(METHOD_INPUT, len(inputs)))
        if trace.end_check is not None:
            trace.end_check()
    finally:
        _tracing.reset(token)
    returns = trace.sources(_returned_values(result), "Each value returned")
    if len(returns) != len(outputs):
        raise RuntimeError(
            f"Method return output size {len(returns)} not match registered {len(outputs)}, output names: "
            f"{', '.join(outputs)}"
        )
    return MethodSignature(name, inputs, outputs, tuple(trace.stages), returns)


def _returned_values(result: Any) -> tuple[Any, ...]:
    if isinstance(result, _TensorDef):
        return (result,)
    try:
        return tuple(result)
    except TypeError as error:
        raise RuntimeError(f"A method should return its outputs, a placeholder or a tuple of them: {error}") from error


def _input_names(method_name: str, function: Callable[..., Any]) -> tuple[str, ...]:
    parameters = inspect.signature(function).parameters
    for name, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.KEYWORD_ONLY):
            raise RuntimeError(f"'{method_name}' input {name} cannot be {parameter.kind.name} !")
    return tuple(parameters)


def add_stage(
    stage: Model | Callable[..., Any] | str,
    *args: Any,
    outputs_count: int,
    batch_size: int | None = None,
    tag: str | None = None,
    subgraph: int = 0,
) -> Any:
    """Adds a stage to the method that is being registered.

    Args:
        stage: a `Model` from `declare_model`, a Python function (`def` or `lambda`), or the name of a built-in function
            ('argmax_cpp').
        args: the inputs of the stage: parameters of the method or outputs of earlier stages.
        outputs_count: how many outputs the stage has, at least 1.
        batch_size: None: the function takes the inputs of one instance. 0 or more: it takes a tuple of instances, each
            a tuple of its inputs, and returns or yields one result for each; n limits the number of instances, with
            0 the server chooses it. Models ignore it.
        tag: what error texts call the stage; by default the function's or model's name.
        subgraph: which file of a model's declaration runs, counted from 0, the default.

    Returns:
        A placeholder for the output, or a tuple of them when there are several.

    Raises:
        RuntimeError: a parameter is wrong or does not fit an earlier use of the same function or model.

    Example:
        >>> x = register.add_stage(preprocess, image, outputs_count=1)
        >>> y = register.add_stage(model, x, outputs_count=1)
        >>> label = register.add_stage(postprocess, y, outputs_count=1, batch_size=16)
    """
    trace = current_trace("add_stage")
    with trace.adding(stage):
        check_int("subgraph", subgraph, 0)
        new_stage = _new_stage(trace, stage, args, outputs_count, batch_size, tag)
        outputs = trace.add(_of_subgraph(trace.declaration, new_stage, subgraph, tag) if subgraph else new_stage)
    return outputs[0] if outputs_count == 1 else outputs


def _new_stage(
    trace: MethodTrace, stage: Any, args: tuple[Any, ...], outputs_count: int, batch_size: int | None, tag: str | None
) -> Stage:
    sources = trace.sources(args, "Each value of parameter *args")
    check_int("outputs_count", outputs_count, 1)
    if tag is not None:
        check_str("tag", tag)
    if isinstance(stage, str):
        stage = _function_or_builtin(trace.declaration, stage)
    if isinstance(stage, str):
        return _builtin_stage(stage, sources, outputs_count, tag)
    if isinstance(stage, Model) and stage.declaration is trace.declaration:
        return ModelStage(stage.model_key, sources, outputs_count, tag or f"Model '{stage.model_key}'")
    if inspect.isfunction(stage):
        return _function_stage(trace.declaration, stage, sources, outputs_count, batch_size, tag)
    raise RuntimeError(
        f"Call 'add_stage' failed, the parameter 'stage' of add_stage must be function or Model returned by "
        f"declare_model, now is {type(stage)}; wrap anything else that can be called in a function with 'def'"
    )


def _of_subgraph(declaration: Declaration, stage: Stage, subgraph: int, tag: str | None) -> ModelStage:
    if not isinstance(stage, ModelStage):
        raise RuntimeError(f"Parameter 'subgraph' is for models, but actually the stage is {stage.name}")
    count = declaration.subgraph_count(stage.model_key)
    if subgraph >= count:
        raise RuntimeError(
            f"The model does not have subgraph of index {subgraph}, the subgraph count of the model is {count}"
        )
    return dataclasses.replace(stage, subgraph=subgraph, tag=tag or f"{stage.tag}, subgraph {subgraph}")


def _function_or_builtin(declaration: Declaration, name: str) -> Callable[..., Any] | str:
    check_str("stage", name)
    if name in _BUILTIN_COUNTS:
        return name
    function = declaration.function_named(name)
    if function is None:
        raise RuntimeError(
            f"Function '{name}' is not defined: give the function itself, or the name of a built-in function "
            f"({', '.join(_BUILTIN_COUNTS)}) or of an earlier stage's function ('<servable>.<function>')"
        )
    return function


def _builtin_stage(name: str, sources: tuple[Source, ...], outputs_count: int, tag: str | None) -> BuiltinStage:
    counts = zip(("inputs", "outputs"), (len(sources), outputs_count), _BUILTIN_COUNTS[name], strict=True)
    for what, count, wanted in counts:
        if count != wanted:
            raise RuntimeError(f"Function '{name}' {what} count {count} not match the count {wanted} of the function")
    return BuiltinStage(name, sources, outputs_count, tag or f"Function '{name}'")


def _function_stage(
    declaration: Declaration,
    function: Callable[..., Any],
    sources: tuple[Source, ...],
    outputs_count: int,
    batch_size: int | None,
    tag: str | None,
) -> FunctionStage:
    name = f"{declaration.servable_name}.{function.__qualname__}"
    if batch_size is not None:
        check_int("batch_size", batch_size, 0)
    else:
        count = len(inspect.signature(function).parameters)
        if count != len(sources):
            raise RuntimeError(
                f"function {function.__name__} input args count {count} not match the count {len(sources)} registered "
                f"in method"
            )
    return FunctionStage(function, name, sources, outputs_count, batch_size, tag or f"Function '{name}'")
