"""LeNet and ResNet-50 of the examples: served, in a bare loop, and run by each engine."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from .. import children
from ..bench import Bench
from ..rows import Row, SideBySideRow, Target

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
    """example/lenet, against a bare loop over the same converted model and the same pre-processing."""
    return [_served(bench, _LENET)]


def grpc_resnet(bench: Bench) -> list[Row]:
    """example/resnet, against a bare loop over the same converted model and the same pre-processing."""
    return [_served(bench, _RESNET)]


def _served(bench: Bench, example: _Example) -> Row:
    """Pictures a second. One process on both sides; the loop's engine has as many threads as there are cores."""
    copy = example.export_to(bench)
    picture = copy / example.picture
    with bench.start_server(example.servable, copy, device_ids=0) as server:
        inputs = {"image": picture.read_bytes()}
        ours = bench.grpc_load(server, example.servable, inputs, example.answer, example.method)
        (onnx_file,) = bench.cache(example.servable).glob("converted/*/model.onnx")
        threads = len(os.sched_getaffinity(0))
        arguments = [copy / example.servable, picture, onnx_file, _BATCH_SIZE, threads]
        with children.LoopChild("onnx_loop.py", *map(str, arguments), items_per_call=_BATCH_SIZE) as loop:
            name = f"gRPC {example.label} with its pictures, {_IN_FLIGHT} in flight"
            return bench.rounds_of(name, Target("rate ratio", at_least=0.9), _IN_FLIGHT, ours, loop)


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
