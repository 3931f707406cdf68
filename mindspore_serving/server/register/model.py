"""`declare_model` and the `Model` that it returns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from mindspore_serving.server.checks import check_bool, check_int, check_ints, check_str, check_strs
from mindspore_serving.server.register.context import Context
from mindspore_serving.server.register.declaration import Declaration, current_declaration, serving_declaration
from mindspore_serving.server.register.deprecated import AclOptions, GpuOptions, options_context
from mindspore_serving.server.register.signature import ModelDeclaration

_FORMATS = {"om": "om", "mindir": "mindir", "mindir_lite": "mindir_lite", "mindir_opt": "mindir_lite", "onnx": "onnx"}


class Model:
    """A declared model: a stage for `add_stage`, or called from inside a stage function with `call`.

    Users get it from `declare_model`.

    Args:
        model_key: the model's file names joined with ';'.

    Example:
        >>> model = declare_model("tensor_add.mindir", "MindIR")
        >>> def add_twice(x1, x2):
        ...     y = model.call(x1, x2)
        ...     return model.call(y, x2)
    """

    def __init__(self, model_key: str) -> None:
        self.model_key = check_str("model_key", model_key)
        self._declaration: Declaration | None = None

    @property
    def declaration(self) -> Declaration | None:
        """The servable that declared it; None for a `Model` made by hand."""
        return self._declaration

    def call(self, *args: Any, subgraph: int = 0) -> Any:
        """Runs the model inside a stage function and waits for the result.

        Args:
            args: the inputs of one instance, one argument per model input; or exactly one list or tuple of instances,
                each a list or tuple of the inputs. Values are arrays, numbers or whatever a stage may return.
            subgraph: which file of the declaration runs, counted from 0.

        Returns:
            For one instance the only output as an array, or a tuple of arrays. For instances a tuple with a tuple
            of arrays for each.

        Raises:
            RuntimeError: the model is not declared, the inputs do not fit it, or one of the instances failed.

        Example:
            >>> y = model.call(x1, x2)
            >>> (y0,), (y1,) = model.call([[x1, x2], [x3, x4]])
        """
        check_int("subgraph", subgraph, 0)
        where = f"Model({self.model_key}" + (f", subgraph={subgraph}" if subgraph else "") + ").call() failed: "
        declaration = self._declaration or serving_declaration()
        caller = declaration.caller if declaration is not None else None
        counts = caller.subgraph_input_counts(self.model_key) if caller is not None else None
        if caller is None or counts is None:
            raise RuntimeError(f"{where}the model is not declared")
        if subgraph >= len(counts):
            raise RuntimeError(
                f"{where}The model does not have subgraph of index {subgraph}, the subgraph count of the model is "
                f"{len(counts)}"
            )
        if not args:
            raise RuntimeError(f"{where}no inputs provided")
        is_batch = len(args) == 1 and isinstance(args[0], (list, tuple))
        instances = _batch_instances(where, args[0]) if is_batch else [args]
        _check_input_counts(where, instances, counts[subgraph])
        try:
            results = caller.call_model(self.model_key, subgraph, instances)
        except RuntimeError as error:
            text = str(error)
            # A value that is no tensor at all is the function's mistake, not the model's: its text stands alone.
            raise RuntimeError(text if text.startswith("Get illegal result data") else where + text) from None
        if is_batch:
            return tuple(results)
        return results[0][0] if len(results[0]) == 1 else results[0]


def _batch_instances(where: str, instances: Sequence[Any]) -> Sequence[Any]:
    if not instances:
        raise RuntimeError(f"{where}Input instances count is 0")
    for instance in instances:
        if not isinstance(instance, (list, tuple)):
            raise RuntimeError(
                f"{where}inputs format invalid, each instance should be a tuple or list of its inputs, but actually "
                f"{type(instance)}"
            )
    return instances


def _check_input_counts(where: str, instances: Sequence[Sequence[Any]], count: int) -> None:
    for index, instance in enumerate(instances):
        if len(instance) != count:
            raise RuntimeError(
                f"{where}The inputs count {len(instance)} of instance {index} is not equal to the inputs count {count} "
                f"of the model"
            )


def declare_model(
    model_file: str | Sequence[str],
    model_format: str,
    with_batch_dim: bool = True,
    options: AclOptions | GpuOptions | None = None,
    without_batch_dim_inputs: int | Sequence[int] | None = None,
    context: Context | None = None,
    config_file: str | None = None,
    max_batch_size: int | None = None,
) -> Model:
    """Declares a model of the servable; each worker loads it when it starts.

    Args:
        model_file: file name inside the version directory, or several for the subgraphs 0, 1, ... of one model. Links
            in the directory are followed; an absolute path, or one that leaves the directory, is refused.
        model_format: 'MindIR' (see `CPUDeviceInfo(engine=...)`), 'MindIR_Lite', 'OM' or 'ONNX', in any case.
        with_batch_dim: whether the first dimension of inputs and outputs is the batch, which instances then lack.
        options: deprecated, use `context`.
        without_batch_dim_inputs: numbers of the inputs that have no batch dimension although the others do.
        context: options for the engine.
        config_file: the engine's configuration file, absolute or relative to the directory of `servable_config.py`.
        max_batch_size: most instances in one run, at least 1, of a model that takes any number: exported so, or found
            to when it was converted. Default: the size it was exported with, or 32. Other models keep that size.

    Returns:
        The `Model`, to be used in `add_stage` or called from stage functions.

    Raises:
        RuntimeError: a parameter is wrong, a file is used by another model, or no `servable_config.py` is being loaded.

    Example:
        >>> model = register.declare_model(model_file="tensor_add.mindir", model_format="MindIR", with_batch_dim=False)
    """
    check_bool("with_batch_dim", with_batch_dim)
    files = _check_files(model_file)
    batchless = (
        () if without_batch_dim_inputs is None else check_ints("without_batch_dim_inputs", without_batch_dim_inputs, 0)
    )
    declaration = current_declaration()
    if context is not None and not isinstance(context, Context):
        raise RuntimeError(f"Parameter 'context' should be Context, but actually {type(context)}")
    context = options_context(options, context)
    if config_file is not None:
        config_file = os.path.join(declaration.directory, check_str("config_file", config_file))
    model = Model(";".join(files))
    declaration.add_model(
        ModelDeclaration(
            key=model.model_key,
            files=files,
            format=_check_format(model_format),
            with_batch_dim=with_batch_dim,
            without_batch_dim_inputs=batchless,
            context=context.options() if context is not None else None,
            config_file=config_file,
            max_batch_size=_check_max_batch_size(max_batch_size, with_batch_dim),
        )
    )
    model._declaration = declaration
    return model


def _check_files(model_file: Any) -> tuple[str, ...]:
    files = check_strs("model_file", model_file)
    if not files:
        raise RuntimeError("Call declare_model failed, model files size cannot be 0")
    for file in files:
        if os.path.isabs(file) or os.path.normpath(file).split(os.sep)[0] == os.pardir:
            raise RuntimeError(
                f"Call declare_model failed, model file '{file}' should lie inside the version directory: a relative "
                f"path that does not leave it"
            )
    return files


def _check_max_batch_size(value: Any, with_batch_dim: bool) -> int | None:
    if value is None:
        return None
    check_int("max_batch_size", value, 1)
    if not with_batch_dim:
        raise RuntimeError("Call declare_model failed, max_batch_size needs a batch dimension, with_batch_dim=True")
    return value


def _check_format(model_format: Any) -> str:
    check_str("model_format", model_format)
    known = _FORMATS.get(model_format.lower())
    if known is None:
        raise RuntimeError(
            f"Call declare_model failed, model format can only be OM, MindIR, MindIR_Lite or ONNX, but actually "
            f"{model_format}"
        )
    return known
