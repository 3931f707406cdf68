"""The old interface for servables with one model: each name warns once and says what replaces it.

A method declared with it takes its placeholders through `call_preprocess`, `call_servable` and `call_postprocess`, in
this order. Each of these calls is an assignment of its own in the method's body, outside conditions and loops: how many
outputs a call has is the number of names its result is assigned to.
"""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Callable, Sequence
from types import CodeType, FrameType
from typing import Any

from mindspore_serving.server.register.deprecated import AclOptions, GpuOptions, warn_once
from mindspore_serving.server.register.method import MethodTrace, add_stage, current_trace
from mindspore_serving.server.register.model import Model, declare_model
from mindspore_serving.server.register.signature import ModelStage

_SERVABLE = "call_servable"
_PREPROCESS = ("call_preprocess", "call_preprocess_pipeline")
_POSTPROCESS = ("call_postprocess", "call_postprocess_pipeline")
_CALLS = (*_PREPROCESS, _SERVABLE, *_POSTPROCESS)

_JUMPS = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)
_STORES = frozenset({"STORE_FAST", "STORE_DEREF", "STORE_GLOBAL", "STORE_NAME"})
_NO_MEANING = frozenset({"EXTENDED_ARG", "NOP"})


def declare_servable(
    servable_file: str | Sequence[str],
    model_format: str,
    with_batch_dim: bool = True,
    options: AclOptions | GpuOptions | None = None,
    without_batch_dim_inputs: int | Sequence[int] | None = None,
) -> Model:
    """Deprecated: `declare_model`, which has the same parameters.

    Raises:
        RuntimeError: as `declare_model`.

    Example:
        >>> register.declare_servable(servable_file="tensor_add.mindir", model_format="MindIR")
    """
    warn_once("declare_servable", "declare_model")
    return declare_model(servable_file, model_format, with_batch_dim, options, without_batch_dim_inputs)


def call_preprocess(preprocess_fun: Callable[..., Any], *args: Any) -> Any:
    """Deprecated: `add_stage` with a function that takes the inputs of one instance, before the model.

    Returns:
        A placeholder, or as many as the names that the result is assigned to.

    Raises:
        RuntimeError: the call is out of order or no assignment of its own, or as `add_stage`.

    Example:
        >>> x1, x2 = register.call_preprocess(cast, x1, x2)
    """
    return _call("call_preprocess", sys._getframe(1), preprocess_fun, args, None, "Preprocess")


def call_preprocess_pipeline(preprocess_fun: Callable[..., Any], *args: Any) -> Any:
    """Deprecated: `call_preprocess` with a function that takes a tuple of instances and yields a result for each.

    Example:
        >>> x1, x2 = register.call_preprocess_pipeline(cast_all, x1, x2)
    """
    return _call("call_preprocess_pipeline", sys._getframe(1), preprocess_fun, args, 0, "Preprocess")


def call_servable(*args: Any) -> Any:
    """Deprecated: `add_stage` with the only model that is declared.

    Returns:
        A placeholder, or as many as the names that the result is assigned to.

    Raises:
        RuntimeError: there is not exactly one model, the call is out of order or no assignment of its own, or as
            `add_stage`.

    Example:
        >>> y = register.call_servable(x1, x2)
    """
    return _call("call_servable", sys._getframe(1), None, args, None, "")


def call_postprocess(postprocess_fun: Callable[..., Any], *args: Any) -> Any:
    """Deprecated: `add_stage` with a function that takes the inputs of one instance, after the model.

    Example:
        >>> label = register.call_postprocess(argmax, y)
    """
    return _call("call_postprocess", sys._getframe(1), postprocess_fun, args, None, "Postprocess")


def call_postprocess_pipeline(postprocess_fun: Callable[..., Any], *args: Any) -> Any:
    """Deprecated: `call_postprocess` with a function that takes a tuple of instances and yields a result for each.

    Example:
        >>> label = register.call_postprocess_pipeline(argmax_all, y)
    """
    return _call("call_postprocess_pipeline", sys._getframe(1), postprocess_fun, args, 0, "Postprocess")


class _Calls:
    """The calls of this interface in one method, in their order; the trace keeps it as its check at the end."""

    def __init__(self, trace: MethodTrace) -> None:
        self._trace = trace
        self._made: list[str] = []

    def begin(self, name: str, code: CodeType) -> None:
        """Takes the next call, made in `code`. Raises `RuntimeError` where it may not stand."""
        if code is not inspect.unwrap(self._trace.function).__code__:
            raise _too_complex(name)
        if len(self._trace.stages) > len(self._made) or not _is_straight(code):
            raise self._too_complex(code, name)
        self._made.append(name)
        check_order(self._made)

    def __call__(self) -> None:
        if len(self._trace.stages) > len(self._made):
            raise self._too_complex(inspect.unwrap(self._trace.function).__code__)
        if _SERVABLE not in self._made:
            raise RuntimeError(
                f"Not find the invoke of '{_SERVABLE}' in method '{self._trace.method_name}', which uses "
                f"'{', '.join(self._made)}'; use 'add_stage' in methods without a model"
            )

    def _too_complex(self, code: CodeType, *present: str) -> RuntimeError:
        used = {*self._made, *present, *code.co_names}
        return _too_complex(", ".join(name for name in _CALLS if name in used))


def check_order(made: Sequence[str]) -> None:
    """Raises `RuntimeError` when the last of the calls `made` may not follow the others."""
    *before, name = made
    for group in (_PREPROCESS, (_SERVABLE,), _POSTPROCESS):
        if name in group and any(earlier in group for earlier in before):
            raise RuntimeError(f"{' or '.join(group)} should not be invoked more than once")
    if name in _PREPROCESS and _SERVABLE in before:
        raise RuntimeError(f"{_SERVABLE} should be invoked after {name}")
    if name not in _POSTPROCESS and any(earlier in _POSTPROCESS for earlier in before):
        raise RuntimeError(f"{' or '.join(_POSTPROCESS)} should be invoked after {name}")


def _call(
    name: str,
    frame: FrameType,
    function: Callable[..., Any] | None,
    args: tuple[Any, ...],
    batch_size: int | None,
    tag: str,
) -> Any:
    warn_once(name, "add_stage", stacklevel=4)
    trace = current_trace(name)
    if trace.end_check is None:
        trace.end_check = _Calls(trace)
    calls = trace.end_check
    assert isinstance(calls, _Calls)
    with trace.adding(name):
        calls.begin(name, frame.f_code)
        count, in_tuple = assigned_names(frame, name)
        if function is None:
            sources = trace.sources(args, "Each value of parameter *args")
            key = _only_model(trace)
            outputs = trace.add(ModelStage(key, sources, count, f"Model '{key}'"))
            return outputs if in_tuple else outputs[0]
    result = add_stage(function, *args, outputs_count=count, batch_size=batch_size, tag=tag)
    return (result,) if in_tuple and count == 1 else result


def _only_model(trace: MethodTrace) -> str:
    keys = trace.declaration.model_keys
    if not keys:
        raise RuntimeError("There is no model declared, call 'declare_model' before 'call_servable'")
    if len(keys) > 1:
        raise RuntimeError(
            f"There are more than one servable declared: {', '.join(keys)}; use 'add_stage', which takes the model"
        )
    return keys[0]


def assigned_names(frame: FrameType, name: str) -> tuple[int, bool]:
    """How many names the result of the call that `frame` is making is assigned to, and whether it is unpacked.

    Read from the compiled code, so that it works without source text. Raises `RuntimeError` when it is not assigned.
    """
    first = next(
        instruction
        for instruction in dis.get_instructions(frame.f_code)
        if instruction.offset > frame.f_lasti and instruction.opname not in _NO_MEANING
    )
    if first.opname == "UNPACK_SEQUENCE":
        return int(first.arg or 0), True
    if first.opname in _STORES:
        return 1, False
    raise _too_complex(name)


def _is_straight(code: CodeType) -> bool:
    """Whether the code has no condition, loop, `try` or `with`."""
    if getattr(code, "co_exceptiontable", b""):
        return False
    return all(instruction.opcode not in _JUMPS for instruction in dis.get_instructions(code))


def _too_complex(names: str) -> RuntimeError:
    return RuntimeError(
        f"complex statements such as conditions and loops are not supported in register_method when the interface "
        f"'{names}' is used, use 'add_stage'; each call should be an assignment of its own in the method's body"
    )
