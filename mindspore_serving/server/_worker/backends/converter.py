"""The process that converts MindIR files to ONNX: `main` with a job of `conversion.py`.

It ends when it has written one directory for each file; MindSpore, which it needs, ends with it.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mindspore_serving.server._worker.backends import mindir, samples
from mindspore_serving.server._worker.backends.base import ANY, SubgraphInfo, TensorInfo
from mindspore_serving.server._worker.backends.free_batch import Run, free_batch, rows_differ
from mindspore_serving.server._worker.backends.mindspore import placeholder
from mindspore_serving.server._worker.backends.onnxruntime import Session

_EXPORT_ROWS = 2
"""The batch size at which a graph with open batch dimension is exported, since the exporter wants one."""
_RTOL, _ATOL = 1e-3, 1e-4
_SEEDS = (1, 2)
_PR_SET_PDEATHSIG = 1


class Refused(Exception):
    """The file cannot be converted, today or tomorrow; the text says why."""


def main() -> None:
    """Does the job in the last argument, a JSON object; the working directory is there to be written to."""
    job = json.loads(sys.argv[-1])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # nobody waits for the result of a worker that died
    if os.getppid() != job["parent"]:
        return
    for request in job["requests"]:
        directory = Path(request["directory"])
        directory.mkdir()
        try:
            entry = convert(request["file"], request["with_batch_dim"], request["without_batch_dim_inputs"], directory)
        except Refused as error:
            entry = {"refused": str(error)}
        # The last thing written: what has no entry did not finish.
        (directory / "entry.json").write_text(json.dumps(entry))


def convert(file: str, with_batch_dim: bool, without: Sequence[int], directory: Path) -> dict[str, Any]:
    """Writes `model.onnx` and returns what is to be noted of it. Raises `Refused`."""
    info, fixed, batched = _read(file, with_batch_dim, without)
    inputs = [samples.zeros(fixed), *(samples.random(fixed, seed) for seed in _SEEDS)]
    network, expected = _run_mindspore(file, info, inputs)
    content = _export(file, inputs[0], directory)
    session = _session(content, info)
    for sample, outputs in zip(inputs, expected, strict=True):
        text = samples.difference(_run(session, sample), outputs, _RTOL, _ATOL)
        if text is not None:
            raise Refused(f"the results of ONNX Runtime are not MindSpore's: {text}")
    dynamic = any(ANY in tensor.shape for tensor in info.inputs)
    # Where MindSpore itself takes any number of rows, its rows count.
    reference = (lambda rows: _to_arrays(network, rows)) if dynamic else session.run
    freed, why_fixed = _free(content, reference, fixed, batched)
    if dynamic and why_fixed:
        raise Refused(f"its batch dimension is open, but the converted graph's cannot be: {why_fixed}")
    (directory / "model.onnx").write_bytes(freed)
    return {"info": dataclasses.asdict(info), "any_batch": not why_fixed, "why_fixed": why_fixed}


def _read(file: str, with_batch_dim: bool, without: Sequence[int]) -> tuple[SubgraphInfo, list[TensorInfo], list[bool]]:
    """The signature, the inputs at the size to export, and which of them have a batch dimension."""
    try:
        model = mindir.read_message(file)
    except RuntimeError as error:
        # Without the file's name: the refusal is kept for every file of that content.
        raise Refused(f"it {mindir.NO_MINDIR}: {error.__cause__}") from error
    try:
        info = mindir.signature_of(model, "its")
    except RuntimeError as error:
        raise Refused(str(error)) from error
    effects = mindir.operators_with_side_effects(model)
    if effects:
        raise Refused(f"it has operators with side effects: {', '.join(effects)}")
    if mindir.has_data_outside(model):
        raise Refused("its parameters lie in other files")
    batched = [with_batch_dim and number not in without for number in range(len(info.inputs))]
    fixed = []
    for number, (tensor, has_rows) in enumerate(zip(info.inputs, batched, strict=True)):
        shape = tensor.shape
        if has_rows and shape and shape[0] == ANY:
            shape = (_EXPORT_ROWS, *shape[1:])
        if ANY in shape:
            raise Refused(f"input {number} has an open dimension that is not the batch's")
        fixed.append(TensorInfo(tensor.dtype, shape))
    return info, fixed, batched


def _run_mindspore(file: str, info: SubgraphInfo, inputs: Sequence[samples.Arrays]) -> tuple[Any, list[samples.Arrays]]:
    """The loaded network and its results."""
    import mindspore as ms

    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
    try:
        network = ms.nn.GraphCell(ms.load(file))
        if any(ANY in tensor.shape for tensor in info.inputs):
            network.set_inputs(*[placeholder(ms, tensor) for tensor in info.inputs])
        before = [parameter.asnumpy().copy() for parameter in network.get_parameters()]
        expected = [_to_arrays(network, sample) for sample in inputs]
        again = _to_arrays(network, inputs[-1])
    except RuntimeError as error:
        raise Refused(f"MindSpore cannot run it: {_first_line(error)}") from error
    after = [parameter.asnumpy() for parameter in network.get_parameters()]
    if not all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(before, after, strict=True)):
        raise Refused("it changes its parameters")
    text = samples.difference(again, expected[-1], _RTOL, _ATOL)
    if text is not None:
        raise Refused(f"MindSpore's own results for the same input are not the same: {text}")
    return network, expected


def _to_arrays(network: Any, inputs: samples.Arrays) -> list[np.ndarray]:
    import mindspore as ms

    result = network(*map(ms.Tensor.from_numpy, map(np.ascontiguousarray, inputs)))
    return [item.asnumpy().copy() for item in ([result] if isinstance(result, ms.Tensor) else result)]


def _export(file: str, inputs: samples.Arrays, directory: Path) -> bytes:
    import mindspore as ms

    target = directory / "exported.onnx"
    try:
        # Of a network of its own: one that was exported cannot be run any more.
        network = ms.nn.GraphCell(ms.load(file))
        ms.export(network, *map(ms.Tensor, inputs), file_name=str(target), file_format="ONNX")
        content = target.read_bytes()
    except (RuntimeError, ValueError, TypeError, FileNotFoundError) as error:
        raise Refused(f"MindSpore cannot export it to ONNX: {_first_line(error)}") from error
    target.unlink()
    return content


def _session(content: bytes, info: SubgraphInfo) -> Session:
    try:
        session = Session(content, 1)
        inputs = session.info.inputs
    except Exception as error:
        raise Refused(f"ONNX Runtime cannot load it: {_first_line(error)}") from error
    if [tensor.dtype for tensor in inputs] != [tensor.dtype for tensor in info.inputs]:
        raise Refused("the exported graph does not have the same inputs")
    return session


def _run(session: Session, inputs: samples.Arrays) -> samples.Arrays:
    try:
        return session.run(inputs)
    except Exception as error:
        raise Refused(f"ONNX Runtime cannot run it: {_first_line(error)}") from error


def _free(content: bytes, reference: Run, tensors: Sequence[TensorInfo], batched: Sequence[bool]) -> tuple[bytes, str]:
    """The graph with its batch dimension freed and "", or as it is and why."""
    sizes = {tensor.shape[:1] for tensor, has_rows in zip(tensors, batched, strict=True) if has_rows}
    if not sizes:
        return content, "it has no input with a batch dimension"
    if len(sizes) > 1 or sizes & {(), (0,)}:
        return content, "its inputs do not agree about the batch size"
    ((size,),) = sizes
    try:
        freed = free_batch(content, batched)
        text = rows_differ(Session(freed, 1).run, reference, tensors, batched, size)
    except Exception as error:
        text = _first_line(error)
    return (content, text) if text else (freed, "")


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]


if __name__ == "__main__":
    main()
