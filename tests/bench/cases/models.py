"""LeNet and ResNet-50 of the examples: served, in a bare loop, and run by each engine."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

from ...harness.protocol import make_request
from .. import children
from ..bench import Bench
from ..load import GrpcLoad, Sample
from ..rows import LoadRow, Row, SideBySideRow, Target

_EXAMPLES = Path(__file__).resolve().parents[3] / "example"
_IN_FLIGHT = 32
_BATCH_SIZE = 32
"""Most instances in a run of a model that takes any number."""


@dataclasses.dataclass(frozen=True)
class _Example:
    """One of the examples, copied and with its model exported."""

    label: str
    name: str
    servable: str
    method: str
    export: str
    picture: str
    shape: str
    answer: dict[str, Any]
    """What the server makes of the picture."""

    def export_to(self, bench: Bench) -> Path:
        """The copy's folder; made when it is first wanted."""
        copy = bench.folder / self.name
        if not copy.exists():
            shutil.copytree(
                _EXAMPLES / self.name, copy, ignore=shutil.ignore_patterns("[1-9]", "__pycache__", "sample.*")
            )
            children.run_quietly([sys.executable, str(copy / "export_model" / self.export)])
        return copy


_LENET = _Example(
    label="LeNet",
    name="lenet",
    servable="lenet",
    method="predict",
    export="train_lenet.py",
    picture="sample.png",
    shape="1x1x32x32",
    answer={"label": 5},
)
_RESNET = _Example(
    label="ResNet-50",
    name="resnet",
    servable="resnet50",
    method="classify_top1",
    export="export_resnet50.py",
    picture="sample.jpg",
    shape="1x3x224x224",
    answer={"label": "blue dots"},
)


def grpc_lenet(bench: Bench) -> list[Row]:
    """example/lenet, against a bare loop over the same converted model and the same pre-processing.

    And that loop while a bare echo answers as many requests a second, against the loop alone: what a server without any
    cost of its own would reach here. Its batches have half of the requests in flight: the others are on their way.
    """
    served = _served(bench, _LENET)
    requests_per_s = statistics.median(sample.per_s for sample in served.ours)
    half = _IN_FLIGHT // 2
    with _loop(bench, _LENET) as alone, _loop(bench, _LENET, half, "stop-spinning") as loop:
        beside = _LoopBesideEcho(loop, _echo_load(bench, _LENET), requests_per_s)
        name = f"bare {_LENET.label} loop beside a bare echo of as many requests"
        return [served, bench.rounds_of(name, None, _IN_FLIGHT, beside, alone)]


def grpc_resnet(bench: Bench) -> list[Row]:
    """example/resnet, against a bare loop over the same converted model and the same pre-processing."""
    return [_served(bench, _RESNET)]


def _served(bench: Bench, example: _Example) -> LoadRow:
    """Pictures a second. As many processes and engine threads on both sides: one, and as many as there are cores."""
    copy = example.export_to(bench)
    with bench.start_server(example.servable, copy, device_ids=0) as server:
        inputs = {"image": (copy / example.picture).read_bytes()}
        ours = bench.grpc_load(server, example.servable, inputs, example.answer, example.method)
        with _loop(bench, example) as loop:
            name = f"gRPC {example.label} with its pictures, {_IN_FLIGHT} in flight"
            return bench.rounds_of(name, Target("rate ratio", at_least=0.9), _IN_FLIGHT, ours, loop)


def _loop(bench: Bench, example: _Example, batch_size: int = _BATCH_SIZE, *more: str) -> children.LoopChild:
    """The bare loop over what the server has converted."""
    copy = example.export_to(bench)
    (onnx_file,) = bench.cache(example.servable).glob("converted/*/model.onnx")
    threads = len(os.sched_getaffinity(0))
    arguments = [copy / example.servable, copy / example.picture, onnx_file, batch_size, threads, *more]
    return children.LoopChild("onnx_loop.py", *map(str, arguments), items_per_call=batch_size)


def _echo_load(bench: Bench, example: _Example) -> GrpcLoad:
    """The example's request, sent to the bare echo."""
    inputs = {"image": (example.export_to(bench) / example.picture).read_bytes()}
    message = make_request(example.servable, example.method, [inputs]).SerializeToString()
    return GrpcLoad(bench.grpc_echo.address, message, len(message), bench.folder)


@dataclasses.dataclass(frozen=True)
class _LoopBesideEcho:
    """The loop's own rate while the echo is busy."""

    loop: children.LoopChild
    load: GrpcLoad
    requests_per_s: float

    def measure(self, in_flight: int, seconds: float) -> Sample:
        with self.load.beside(in_flight, self.requests_per_s, seconds):
            return self.loop.measure(in_flight, seconds)


def engines(bench: Bench) -> list[Row]:
    """The engines in bare loops, batch 1: how long a run of the model takes."""
    return [_engines(bench, example) for example in (_LENET, _RESNET)]


def _engines(bench: Bench, example: _Example) -> Row:
    model = example.export_to(bench) / example.servable / "1" / f"{example.servable}.mindir"
    onednn_setting = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    cache = {"MINDSPORE_SERVING_CACHE_DIR": str(bench.cache(example.servable))}
    commands = {
        "MindSpore as shipped": ("mindspore", {}),
        "MindSpore, ONEDNN_MAX_CPU_ISA=AVX2": ("mindspore", onednn_setting),
        "converted, ONNX Runtime": ("onnxruntime", cache),
    }
    row = SideBySideRow(f"{example.label}, batch 1", "ms", {label: [] for label in commands})
    with contextlib.ExitStack() as stack:
        loops = {
            label: stack.enter_context(
                children.LoopChild("engine_loop.py", engine, str(model), example.shape, env=environment)
            )
            for label, (engine, environment) in commands.items()
        }
        for _ in range(bench.rounds):
            for label, loop in loops.items():
                row.values[label].append(loop.measure(1, bench.seconds).mean_s * 1e3)
    return row
