"""From a model's declared shapes to how it takes batches, and from stages to batch sizes and credits."""

from __future__ import annotations

import re

import pytest

from mindspore_serving.server import register
from mindspore_serving.server._worker.backends.base import SubgraphInfo, TensorInfo
from mindspore_serving.server._worker.batching import InstanceTensor, batching_of
from mindspore_serving.server._worker.plan import PlannedModel, build_plan
from mindspore_serving.server.register.declaration import declaring
from mindspore_serving.server.register.signature import ModelDeclaration


def declaration(with_batch_dim=True, without=(), files=("a",)):
    return ModelDeclaration(";".join(files), files, "mindir", with_batch_dim, without, None, None)


def subgraph(inputs, outputs):
    return SubgraphInfo(
        tuple(TensorInfo("float32", shape) for shape in inputs),
        tuple(TensorInfo("float32", shape) for shape in outputs),
    )


@pytest.mark.parametrize(
    ("inputs", "outputs", "without", "size", "pad"),
    [
        ([(4, 2), (4,)], [(4, 3)], (), 4, True),
        ([(-1, 2)], [(-1, 3)], (), 32, False),
        ([(4, 2), (7,)], [(4, 3)], (1,), 4, True),
        ([(7,), (8,)], [(5, 3)], (0, 1), 5, True),
        ([], [], (), 1, True),
        ([(2, -1)], [(2, -1)], (), 2, True),
    ],
)
def test_batch_sizes(inputs, outputs, without, size, pad):
    batching = batching_of(declaration(without=without), [subgraph(inputs, outputs)])
    assert (batching.batch_size, batching.pad) == (size, pad)


def test_instances_lack_the_batch_dimension():
    batching = batching_of(declaration(without=(1,)), [subgraph([(4, 2), (7,)], [(4,)])])
    assert batching.inputs == ((InstanceTensor("float32", (2,), True), InstanceTensor("float32", (7,), False)),)
    assert batching.outputs == ((InstanceTensor("float32", (), True),),)


def test_without_batch_dimension_shapes_are_whole():
    batching = batching_of(declaration(with_batch_dim=False), [subgraph([(2, 2), ()], [(2, 3)])])
    assert batching.batch_size == 1
    assert batching.inputs[0][0] == InstanceTensor("float32", (2, 2), False)


@pytest.mark.parametrize(
    ("subgraphs", "without", "text"),
    [
        ([subgraph([(2, 2)], [(3, 2)])], (), "disagree about the batch size: 2, 3"),
        ([subgraph([(2, 2)], [(-1, 2)])], (), "disagree about the batch size: any, 2"),
        ([subgraph([(2,)], [(2,)]), subgraph([(4,)], [(4,)])], (), "disagree about the batch size"),
        ([subgraph([()], [(2,)])], (), "model 'a' input 0 is a scalar and cannot have a batch dimension"),
        ([subgraph([(0, 2)], [(2,)])], (), "model 'a' input 0 has batch size 0"),
        ([subgraph([(2, 2)], [(2,)])], (1,), "'without_batch_dim_inputs' names input 1"),
    ],
)
def test_models_that_contradict_themselves(subgraphs, without, text):
    files = ("a", "b")[: len(subgraphs)]
    with pytest.raises(RuntimeError, match=re.escape(text)):
        batching_of(declaration(without=without, files=files), subgraphs)


def planned(declared, sizes):
    return [
        PlannedModel(model, 1, batching_of(model, [subgraph([(size, 2)], [(size, 2)])]))
        for model, size in zip(declared.models, sizes, strict=True)
    ]


@pytest.fixture
def declared():
    with declaring("s", "/nowhere") as context:
        yield context


def one(x):
    return x


def test_methods_are_told_to_the_master(declared):
    small = register.declare_model("small", "MindIR")
    large = register.declare_model("large", "MindIR")

    @register.register_method(["y", "z"])
    def models_only(a, b):
        y = register.add_stage(small, a, outputs_count=1)
        return y, register.add_stage(large, y, outputs_count=1)

    @register.register_method("y")
    def mixed(a):
        y = register.add_stage("argmax_cpp", a, outputs_count=1)
        y = register.add_stage(one, y, outputs_count=1, batch_size=40)
        return register.add_stage(small, y, outputs_count=1)

    @register.register_method("y")
    def after_a_builtin(a):
        return register.add_stage(small, register.add_stage("argmax_cpp", a, outputs_count=1), outputs_count=1)

    @register.register_method("y")
    def nothing(a):
        return a

    plan = build_plan(declared.signature(), planned(declared.signature(), [2, 16]))
    infos = {info.name: info for info in plan.infos}
    assert [info.name for info in plan.infos[-2:]] == ["@call_small_0", "@call_large_0"]
    assert (infos["@call_large_0"].inputs, infos["@call_large_0"].outputs) == (("x0",), ("y0",))
    assert infos["@call_large_0"].only_model_stages
    assert (infos["models_only"].inputs, infos["models_only"].outputs) == (("a", "b"), ("y", "z"))
    assert [
        (info.lane, info.credit, info.only_model_stages) for info in plan.infos if not info.name.startswith("@")
    ] == [
        (1, 48, True),
        (0, 120, False),
        (1, 8, False),
        (0, 8, False),
    ]


@pytest.mark.parametrize("with_batch_dim", [True, False])
@pytest.mark.parametrize(
    ("inputs", "outputs", "text"),
    [
        (1, 2, "The inputs count 1 in register_method not equal to the count 2 defined in model, "),
        (3, 2, "The inputs count 3 in register_method not equal to the count 2 defined in model, "),
        (2, 1, "The outputs count 1 in register_method not equal to the count 2 defined in model, "),
        (2, 3, "The outputs count 3 in register_method not equal to the count 2 defined in model, "),
    ],
)
def test_stages_must_fit_their_model(declared, inputs, outputs, text, with_batch_dim):
    model = register.declare_model("m", "MindIR", with_batch_dim=with_batch_dim)

    @register.register_method("y")
    def method(a):
        a = register.add_stage(lambda x: x, a, outputs_count=1)
        register.add_stage(model, *[a] * inputs, outputs_count=outputs)
        return a

    tensors = [(2, 2), (2, 2)]
    (declaration,) = declared.signature().models
    models = [PlannedModel(declaration, 1, batching_of(declaration, [subgraph(tensors, tensors)]))]
    with pytest.raises(RuntimeError) as caught:
        build_plan(declared.signature(), models)
    shape = "float32[2]" if with_batch_dim else "float32[2, 2]"
    what, fix = (
        ("inputs", "give the stage that many") if inputs != 2 else ("outputs", "declare it with outputs_count=2")
    )
    assert str(caught.value) == (
        f"{text}method: 'method', stage index(begin with 1): 2, model: m, {what} of the model: {shape}, {shape}; {fix}"
    )
