"""Several workers: Python stages in extra workers, and model stages that are reached from there."""

from __future__ import annotations

import contextlib
import os
import select
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ...harness import protocol
from ...harness.grpc_client import GrpcClient
from ...harness.server_process import ServerProcess
from .. import children
from ..bench import Bench
from ..load import Sample
from ..rows import LoadRow, Row, Target, ValueRow

_STAGE_S = 0.005
_BUSY_IN_FLIGHT = 16
_SQUARE = np.array([[1, 2], [3, 4]], np.float32)
_DEVICE, _EXTRA = "device", "an extra one"
"""What the servable `placed` calls its two kinds of worker: of different lengths, so that the load generator, which
checks the length of every reply, sees whether all of them come from where they should."""
_CALLS = 500


def parallel_workers(bench: Bench) -> list[Row]:
    """A stage of 5 ms of pure Python in two workers, against one worker: the same number of turns of a loop in both.

    The second row tells what the machine gives two processes at that moment, with nothing but that loop.
    """
    turns = np.int32(_turns_in(_STAGE_S))
    with bench.start_server("busy", num_parallel_workers=2) as two, bench.start_server("busy") as one:
        assert (len(two.workers()), len(one.workers())) == (2, 1)
        ours, reference = (bench.grpc_load(server, "busy", {"turns": turns}, {"y": turns}) for server in (two, one))
        target = Target("rate ratio", at_least=1.8)
        name = f"gRPC 5 ms of Python, 2 workers against 1, {_BUSY_IN_FLIGHT} in flight"
        served = bench.rounds_of(name, target, _BUSY_IN_FLIGHT, ours, reference)
    with (
        children.LoopChild("busy_loop.py", str(turns)) as first,
        children.LoopChild("busy_loop.py", str(turns)) as second,
    ):
        name = "bare 5 ms of Python, 2 processes against 1"
        return [served, bench.rounds_of(name, None, 1, _Together([first, second]), first)]


class _Together:
    """Loops that run at the same time."""

    def __init__(self, loops: Sequence[children.LoopChild]) -> None:
        self._loops = loops

    def measure(self, in_flight: int, seconds: float) -> Sample:
        """All of them for `seconds`."""
        with ThreadPoolExecutor(len(self._loops)) as pool:
            samples = list(pool.map(lambda loop: loop.measure(in_flight, seconds), self._loops))
        return Sample(sum(sample.per_s for sample in samples), statistics.mean(sample.mean_s for sample in samples))


def _turns_in(seconds: float) -> int:
    """Turns of the servable's loop that take that much time of a CPU that nobody else wants."""
    turns = 1_000_000
    taken = []
    for _ in range(5):
        left = turns
        started = time.thread_time()
        while left:
            left -= 1
        taken.append(time.thread_time() - started)
    return round(turns * seconds / min(taken))


def extra_worker(bench: Bench) -> list[Row]:
    """A function and a model stage, the function in the extra worker against in the device worker that has the model.

    The same server does both. Who is not to run the function is held in it by a request, so that it has less credit
    free than the other; its model's thread is free.
    """
    bench.model("placed")
    with bench.start_server("placed", device_ids=0, num_parallel_workers=2) as server:
        places = _Places(server, bench)
        stage = LoadRow("gRPC function and model, in an extra worker, 1 in flight", Target("mean ratio", at_most=2.5))
        call = ValueRow("Model.call, in an extra worker", "us", None, [], [])
        for _ in range(bench.rounds):
            for place, samples, calls in ((_EXTRA, stage.ours, call.ours), (_DEVICE, stage.reference, call.reference)):
                with places.only(place):
                    samples.append(places.measure_stage(place))
                    calls.append(places.measure_call(place))
    return [stage, call]


class _Places:
    """A server of `placed` whose requests run where one wants."""

    def __init__(self, server: ServerProcess, bench: Bench) -> None:
        self._server = server
        self._bench = bench
        self._inputs = {"x1": _SQUARE, "x2": _SQUARE, "hold": "", "calls": np.int32(0)}

    @contextlib.contextmanager
    def only(self, place: str) -> Iterator[None]:
        """Requests that come one after the other run there."""
        with contextlib.ExitStack() as holds:
            if holds.enter_context(self._held()) == place:
                right = self._held()
                found = right.__enter__()
                holds.close()
                holds.push(right)
                if found == place:
                    raise RuntimeError(f"two requests at a time were both given to the worker '{place}'")
            yield

    @contextlib.contextmanager
    def _held(self) -> Iterator[str]:
        """A request that is not answered meanwhile; gives the place where it runs."""
        fifo = self._bench.folder / f"hold-{time.monotonic_ns()}"
        release = Path(f"{fifo}.release")
        with GrpcClient(self._server.grpc_address) as client, _fifo(fifo) as told, _fifo(release) as releasing:
            request = protocol.make_request("placed", "predict", [self._inputs | {"hold": str(fifo)}])
            answer = client.future(request.SerializeToString(), timeout_s=600)
            if not select.select([told], [], [], 30)[0]:
                raise RuntimeError(f"the request to hold a worker did not begin:\n{self._server.report()}")
            try:
                yield os.read(told, 100).decode()
            finally:
                os.write(releasing, b".")
                answer.result()

    def measure_stage(self, place: str) -> Sample:
        """One request after the other."""
        load = self._bench.grpc_load(self._server, "placed", self._inputs, {"y": _SQUARE * 2})
        with GrpcClient(self._server.grpc_address) as client:
            (values,) = client.call("placed", "predict", self._inputs).values
        assert values["place"] == place, values
        return load.measure(1, self._bench.seconds)

    def measure_call(self, place: str) -> float:
        """The mean time of a `Model.call` inside the worker, in us."""
        with GrpcClient(self._server.grpc_address) as client:
            for calls in (_CALLS // 10, _CALLS):  # the first ones warm up
                (values,) = client.call("placed", "predict", self._inputs | {"calls": np.int32(calls)}).values
        assert values["place"] == place, values
        return float(values["call_s"]) * 1e6


@contextlib.contextmanager
def _fifo(path: Path) -> Iterator[int]:
    """A FIFO's descriptor for both directions, so that opening it never waits."""
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDWR)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
        path.unlink()
