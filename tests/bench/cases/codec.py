"""The JSON codec without a server around it."""

from __future__ import annotations

import json

import numpy as np

from .. import children
from ..bench import Bench
from ..rows import Row, Target


def json_decode(bench: Bench) -> list[Row]:
    """602 kB of float32 as nested lists, by the codec against simdjson's on-demand parser and against Python's json."""
    x = np.random.default_rng(1).random((1, 3, 224, 224), np.float32)
    body = bench.folder / "lists.json"
    body.write_text(json.dumps({"instances": [{"x": x.tolist()}]}))
    program = children.build(bench.build_folder, "json_decode")
    size = str(x.size)
    name = "JSON lists 1x3x224x224 decoded, against"
    with (
        children.TimedLoop([program, "codec", str(body), size]) as ours,
        children.TimedLoop([program, "simdjson", str(body), size]) as simdjson,
        children.LoopChild("json_loop.py", str(body)) as python,
    ):
        return [
            bench.rounds_of(f"{name} simdjson", Target("rate ratio", at_least=0.25), 1, ours, simdjson),
            bench.rounds_of(f"{name} Python", Target("rate ratio", at_least=10), 1, ours, python),
        ]
