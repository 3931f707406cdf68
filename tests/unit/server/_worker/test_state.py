"""Models that change parameters: what they begin with, what their graphs share, and what a batch makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from mindspore_serving.server._worker.backends.shared_parameters import LoadedGraph, share_parameters
from mindspore_serving.server.control_messages import WorkerFailed

CACHE = """
from mindspore_serving.server import register

model = register.declare_model(["prefill.mindir", {step!r}], "MindIR", with_batch_dim=False)

@register.register_method("y")
def prefill(x):
    return register.add_stage(model, x, outputs_count=1)

@register.register_method(["y", "cache"])
def step(x, position):
    return register.add_stage(model, x, position, outputs_count=2, subgraph=1)

def run_all(x, x1, position):
    y0 = model.call(x)
    y1, cache = model.call(x1, position, subgraph=1)
    y2, again = model.call(x1 * 2, position, subgraph=1)
    return y0, y1, cache, y2, again

@register.register_method(["y0", "y1", "cache", "y2", "again"])
def called(x, x1, position):
    return register.add_stage(run_all, x, x1, position, outputs_count=5)
"""
TOTALS = """
from mindspore_serving.server import register

model = register.declare_model("row_totals.mindir", "MindIR")

def call_with_rows(x):
    return [y for (y,) in model.call([[row] for row in x])],

@register.register_method("y")
def totals(x):
    return register.add_stage(call_with_rows, x, outputs_count=1)
"""
ONES, ROW, SECOND = np.ones((4, 2), np.float32), np.ones((1, 2), np.float32), np.int32([1])


@pytest.fixture
def start_stateful(start_worker, exported_models, tmp_path):
    """Starts a worker with the models of tests/models, whatever engine may want to run them."""

    def start(config, **options):
        (tmp_path / "test").mkdir(exist_ok=True)
        (tmp_path / "test" / "1").symlink_to(exported_models)
        return start_worker(config, **options)

    return start


def cache_with(step="step.mindir"):
    return CACHE.format(step=step)


def test_stages_of_both_subgraphs_share_a_state_that_begins_as_in_the_files(start_stateful, master):
    (model,) = start_stateful(cache_with()).ready().models
    assert model["engine"].startswith("MindSpore")
    assert model["state"] == ["cache"]
    first = master.ask("step", {"x": ROW, "position": SECOND})
    assert first == [{"y": [200, 200], "cache": [[0, 0], [2, 2], [0, 0], [0, 0]]}]
    assert master.ask("prefill", {"x": ONES}) == [{"y": [80, 80]}]
    assert master.ask("step", {"x": ROW * 5, "position": SECOND})[0]["cache"] == [[2, 2], [10, 10], [2, 2], [2, 2]]
    # The other way round: what the second changed, the first overwrites.
    assert master.ask("prefill", {"x": ONES * 3}) == [{"y": [240, 240]}]
    assert master.ask("step", {"x": ROW, "position": SECOND})[0]["y"] == [2000, 2000]


def test_calls_go_on_from_what_the_other_subgraph_left(start_stateful, master):
    start_stateful(cache_with()).ready()
    for factor in (1, 3):
        (result,) = master.ask("called", {"x": ONES * factor, "x1": ROW * 5, "position": SECOND})
        low = 2 * factor
        assert result["y0"] == [80 * factor] * 2, "weights that are not the same stay each graph's own"
        assert result["y1"] == [100 * (3 * low + 10)] * 2
        assert result["cache"] == [[low] * 2, [10] * 2, [low] * 2, [low] * 2]
        assert result["again"] == [[low] * 2, [20] * 2, [low] * 2, [low] * 2]


def test_where_initial_values_differ_the_first_file_counts(start_stateful, master):
    worker = start_stateful(cache_with("step_from_one.mindir"))
    worker.ready()
    assert master.ask("step", {"x": ROW, "position": SECOND})[0]["cache"] == [[0, 0], [2, 2], [0, 0], [0, 0]]
    assert "Parameter 'cache' is state that 'prefill.mindir' and 'step_from_one.mindir' share, but its" in worker.log()


def test_state_of_two_shapes_ends_the_start(start_stateful):
    message = start_stateful(cache_with("step_of_three.mindir")).message()
    assert isinstance(message, WorkerFailed)
    assert "float32[4, 2] in 'prefill.mindir' and float32[3, 2] in 'step_of_three.mindir'" in message.error


def test_a_batch_is_the_rows_of_the_state(start_stateful, master):
    """A full batch of one call is one run; what is missing is filled with the first instance, in the state, too."""
    worker = start_stateful(TOTALS)
    worker.ready()

    def ask(*values):
        (result,) = master.ask("totals", {"x": np.float32([[value] for value in values])})
        return result["y"]

    assert "has state (total) and runs batches of up to 3" in worker.log()
    assert ask(1, 2, 3) == [[1], [2], [3]]
    assert ask(1, 2, 3) == [[2], [4], [6]]
    assert ask(10) == [[12]]
    assert ask(1, 2, 3) == [[13], [16], [19]], "rows 1 and 2 were given 10, as row 0"


def test_an_extra_worker_says_whose_state_it_uses(start_stateful):
    described = {
        "key": "row_totals.mindir",
        "state": ["total"],
        "batching": {
            "batch_size": 3,
            "pad": True,
            "inputs": [[{"dtype": "float32", "shape": [1], "batched": True}]],
            "outputs": [[{"dtype": "float32", "shape": [1], "batched": True}]],
        },
    }
    worker = start_stateful(TOTALS, own_device=False, device_id=None, extra_index=0, remote_models=(described,))
    worker.ready()
    assert "Models with state, which each worker that runs them keeps for itself: row_totals.mindir" in worker.log()


class FakeParameter:
    """Stands for a MindSpore Parameter whose version cannot share data."""

    name, dtype, shape = "cache", "Float32", (2,)

    def __init__(self, assign: bool) -> None:
        if assign:
            self.assign_value = lambda other: None

    def get_bytes(self) -> bytes:
        return b"same"

    def data_ptr(self) -> int:
        return id(self)


class FakeNetwork:
    def __init__(self, parameter: FakeParameter) -> None:
        self._parameter = parameter

    def get_parameters(self) -> list[FakeParameter]:
        return [self._parameter]


@pytest.mark.parametrize("assign", [False, True], ids=["no such method", "a method that copies"])
def test_a_mindspore_that_cannot_share_ends_the_start(assign):
    pytest.importorskip("mindspore", reason="MindSpore is not installed")
    graphs = [LoadedGraph(f"{n}.mindir", FakeNetwork(FakeParameter(assign)), frozenset({"cache"})) for n in range(2)]
    with pytest.raises(RuntimeError, match=r"cannot share parameter 'cache' with MindSpore [0-9]"):
        share_parameters(graphs)
    assert share_parameters(graphs[:1]) == ("cache",)


def test_a_model_is_not_converted_when_one_of_its_graphs_has_state(start_stateful):
    for package in ("onnxruntime", "onnx"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    config = CACHE.format(step="step.mindir").replace('"prefill.mindir"', '"row_sum.mindir"').partition("@")[0]
    config += """
@register.register_method("y")
def sums(x):
    return register.add_stage(model, x, outputs_count=1)
"""
    (model,) = start_stateful(config).ready().models
    assert model["engine"].startswith("MindSpore")
    assert model["why"] == "not converted: step.mindir: it has operators with side effects: ScatterUpdate"
