"""From a servable's signature and its loaded models to what the C++ executor runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mindspore_serving.server._worker import _core
from mindspore_serving.server._worker.batching import InstanceTensor, ModelBatching
from mindspore_serving.server.control_messages import MethodInfo
from mindspore_serving.server.register.signature import (
    METHOD_INPUT,
    BuiltinStage,
    MethodSignature,
    ModelDeclaration,
    ModelStage,
    ServableSignature,
    Source,
    Stage,
)

PYTHON_LANE = 0
_CREDIT_BATCHES = 3
_MIN_CREDIT = 8


@dataclasses.dataclass(frozen=True)
class PlannedModel:
    """A model, where it runs and how it takes batches."""

    declaration: ModelDeclaration
    lane: int
    batching: ModelBatching
    remote: bool = False
    """Whether a worker with a device runs it."""


@dataclasses.dataclass(frozen=True)
class ExecutorPlan:
    """The arguments of the executor, and what the master is told of the methods."""

    models: list[_core.Model]
    methods: list[_core.Method]
    functions: list[Callable[..., Any]]
    infos: tuple[MethodInfo, ...]
    """The servable's methods, then the internal ones: the executor numbers them alike."""
    remote_methods: tuple[str, ...]
    """The internal methods of other workers that the executor calls, in its order."""


def build_plan(servable: ServableSignature, models: Sequence[PlannedModel]) -> ExecutorPlan:
    """`models`: in the order of `servable.models`. Raises `RuntimeError` when a stage does not fit its model.

    The error names the method and the stage.
    """
    by_key = {model.declaration.key: (index, model) for index, model in enumerate(models)}
    functions: list[Callable[..., Any]] = []
    methods = [_plan_method(method, by_key, functions) for method in servable.methods]
    return ExecutorPlan(
        models=[_plan_model(model) for model in models],
        methods=methods,
        functions=functions,
        infos=tuple(_method_info(method, by_key) for method in servable.methods)
        + tuple(info for model in models if not model.remote for info in _internal_methods(model)),
        remote_methods=tuple(name for model in models if model.remote for name in _internal_names(model)),
    )


ModelsByKey = Mapping[str, tuple[int, PlannedModel]]


def _plan_model(model: PlannedModel) -> _core.Model:
    batching = model.batching
    return _core.model(
        key=model.declaration.key,
        lane=model.lane,
        batch_size=batching.batch_size,
        with_batch_dim=model.declaration.with_batch_dim,
        pad=batching.pad,
        remote=model.remote,
        subgraphs=[
            (_specs(inputs), _specs(outputs)) for inputs, outputs in zip(batching.inputs, batching.outputs, strict=True)
        ],
    )


def _specs(tensors: Sequence[InstanceTensor]) -> list[_core.TensorSpec]:
    return [_core.tensor_spec(tensor.dtype, tensor.shape, tensor.batched) for tensor in tensors]


def _plan_method(method: MethodSignature, models: ModelsByKey, functions: list[Callable[..., Any]]) -> _core.Method:
    # Values have one numbering: the method's inputs first, then the outputs of each stage.
    first_slots = [0, len(method.inputs)]
    for stage in method.stages:
        first_slots.append(first_slots[-1] + stage.outputs_count)

    def slots(sources: Sequence[Source]) -> list[int]:
        return [first_slots[source.stage] + source.index for source in sources]

    stages = []
    for number, stage in enumerate(method.stages, start=1):
        common = {
            "inputs": slots(stage.inputs),
            "first_output": first_slots[number],
            "outputs_count": stage.outputs_count,
            "tag": stage.tag,
        }
        if isinstance(stage, ModelStage):
            index, model = models[stage.model_key]
            _check_counts(f"method: '{method.name}', stage index(begin with 1): {number}", stage, model)
            stages.append(_core.model_stage(**common, model=index, subgraph=stage.subgraph))
        elif isinstance(stage, BuiltinStage):
            stages.append(_core.builtin_stage(**common, name=stage.name))
        else:
            functions.append(stage.function)
            stages.append(
                _core.python_stage(
                    **common,
                    function=len(functions) - 1,
                    per_instance=stage.batch_size is None,
                    batch_size=stage_batch_size(stage, method, models),
                )
            )
    return _core.method(method.name, len(method.inputs), stages, slots(method.returns))


def _check_counts(where: str, stage: ModelStage, model: PlannedModel) -> None:
    for what, count, tensors in (
        ("inputs", len(stage.inputs), model.batching.inputs[stage.subgraph]),
        ("outputs", stage.outputs_count, model.batching.outputs[stage.subgraph]),
    ):
        if count != len(tensors):
            listed = ", ".join(f"{tensor.dtype}{list(tensor.shape)}" for tensor in tensors)
            subgraph = f", subgraph: {stage.subgraph}" if stage.subgraph else ""
            fix = "give the stage that many" if what == "inputs" else f"declare it with outputs_count={len(tensors)}"
            raise RuntimeError(
                f"The {what} count {count} in register_method not equal to the count {len(tensors)} defined in model, "
                f"{where}, model: {stage.model_key}{subgraph}, {what} of the model: {listed}; {fix}"
            )


def stage_batch_size(stage: Stage, method: MethodSignature, models: ModelsByKey) -> int:
    """Most instances in one turn of the stage.

    Where the user leaves a function's to the server: 1 without model stages in the method; else the smallest batch size
    of its models when the function works on the method's inputs alone, and the largest otherwise.
    """
    if isinstance(stage, ModelStage):
        return models[stage.model_key][1].batching.batch_size
    if isinstance(stage, BuiltinStage):
        return 1
    if stage.batch_size:
        return stage.batch_size
    sizes = [models[other.model_key][1].batching.batch_size for other in method.stages if isinstance(other, ModelStage)]
    if not sizes:
        return 1
    first = all(source.stage == METHOD_INPUT for source in stage.inputs)
    return min(sizes) if first else max(sizes)


def _lane(model: PlannedModel) -> int:
    """Whose bell a new instance rings; any thread can send on what another worker runs."""
    return PYTHON_LANE if model.remote else model.lane


def _internal_names(model: PlannedModel) -> list[str]:
    return [f"@call_{model.declaration.key}_{number}" for number in range(len(model.batching.inputs))]


def _internal_methods(model: PlannedModel) -> list[MethodInfo]:
    """The methods by which workers without a device have this model run; clients cannot reach them."""
    return [
        MethodInfo(
            name=name,
            inputs=tuple(f"x{i}" for i in range(len(inputs))),
            outputs=tuple(f"y{i}" for i in range(len(outputs))),
            lane=model.lane,
            credit=max(_MIN_CREDIT, _CREDIT_BATCHES * model.batching.batch_size),
            only_model_stages=True,
        )
        for name, inputs, outputs in zip(
            _internal_names(model), model.batching.inputs, model.batching.outputs, strict=True
        )
    ]


def _method_info(method: MethodSignature, models: ModelsByKey) -> MethodInfo:
    batch_sizes = [stage_batch_size(stage, method, models) for stage in method.stages]
    first = next((stage for stage in method.stages if not isinstance(stage, BuiltinStage)), None)
    return MethodInfo(
        name=method.name,
        inputs=method.inputs,
        outputs=method.outputs,
        lane=_lane(models[first.model_key][1]) if isinstance(first, ModelStage) else PYTHON_LANE,
        credit=max(_MIN_CREDIT, _CREDIT_BATCHES * max(batch_sizes, default=1)),
        only_model_stages=bool(method.stages) and all(isinstance(stage, ModelStage) for stage in method.stages),
    )
