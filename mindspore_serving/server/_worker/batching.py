"""How the instances of requests become batches of a model: from the shapes its file declares."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from mindspore_serving.server._worker.backends.base import ANY, SubgraphInfo, TensorInfo
from mindspore_serving.server.register.signature import ModelDeclaration

DYNAMIC_BATCH_SIZE = 32
"""Most instances in one run of a model that takes any batch size."""


@dataclasses.dataclass(frozen=True)
class InstanceTensor:
    """An input or output of a model as one instance has it."""

    dtype: str
    shape: tuple[int, ...]
    """Without the batch dimension; ANY where any size will do."""
    batched: bool


@dataclasses.dataclass(frozen=True)
class ModelBatching:
    """What the executor needs to know of a model."""

    batch_size: int
    pad: bool
    """Whether each run has exactly `batch_size` rows."""
    inputs: tuple[tuple[InstanceTensor, ...], ...]
    """By subgraph."""
    outputs: tuple[tuple[InstanceTensor, ...], ...]

    def as_json(self) -> dict[str, Any]:
        """For a worker without device, which has the model run elsewhere."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> ModelBatching:
        """From what `as_json` gave, perhaps by way of JSON."""

        def tensors(subgraphs: Sequence[Sequence[Mapping[str, Any]]]) -> tuple[tuple[InstanceTensor, ...], ...]:
            return tuple(
                tuple(InstanceTensor(tensor["dtype"], tuple(tensor["shape"]), tensor["batched"]) for tensor in subgraph)
                for subgraph in subgraphs
            )

        return cls(fields["batch_size"], fields["pad"], tensors(fields["inputs"]), tensors(fields["outputs"]))


def batching_of(
    declaration: ModelDeclaration, subgraphs: Sequence[SubgraphInfo], takes_any_batch: bool = False
) -> ModelBatching:
    """`takes_any_batch`: whatever the shapes say. Raises `RuntimeError` when they do not agree about the batch."""
    batchless = set(declaration.without_batch_dim_inputs) if declaration.with_batch_dim else set()
    sizes = set()
    inputs, outputs = [], []
    for number, subgraph in enumerate(subgraphs):
        where = f"model '{declaration.files[number]}'"
        if batchless and max(batchless) >= len(subgraph.inputs):
            raise RuntimeError(
                f"'without_batch_dim_inputs' names input {max(batchless)}, but {where} has {len(subgraph.inputs)} "
                f"inputs"
            )
        split_inputs = [
            _instance_tensor(f"{where} input {i}", info, declaration.with_batch_dim and i not in batchless, sizes)
            for i, info in enumerate(subgraph.inputs)
        ]
        split_outputs = [
            _instance_tensor(f"{where} output {i}", info, declaration.with_batch_dim, sizes)
            for i, info in enumerate(subgraph.outputs)
        ]
        inputs.append(tuple(split_inputs))
        outputs.append(tuple(split_outputs))
    if len(sizes) > 1:
        listed = ", ".join("any" if size == ANY else str(size) for size in sorted(sizes))
        raise RuntimeError(
            f"the inputs and outputs of model '{declaration.key}' disagree about the batch size: {listed}; where the "
            f"model has no batch dimension, declare it with with_batch_dim=False or without_batch_dim_inputs"
        )
    size = sizes.pop() if sizes else 1
    any_size = size == ANY or takes_any_batch
    if any_size and declaration.max_batch_size is not None:
        size = declaration.max_batch_size
    return ModelBatching(DYNAMIC_BATCH_SIZE if size == ANY else size, not any_size, tuple(inputs), tuple(outputs))


def _instance_tensor(what: str, info: TensorInfo, batched: bool, sizes: set[int]) -> InstanceTensor:
    if not batched:
        return InstanceTensor(info.dtype, info.shape, False)
    if not info.shape:
        raise RuntimeError(f"{what} is a scalar and cannot have a batch dimension")
    if info.shape[0] == 0:
        raise RuntimeError(f"{what} has batch size 0")
    sizes.add(info.shape[0])
    return InstanceTensor(info.dtype, info.shape[1:], True)
