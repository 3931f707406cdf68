"""`declare_model`, `Model.call`'s own checks, and `Context`."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mindspore_serving.server import register
from mindspore_serving.server.register.declaration import Declaration, declaring, serve
from mindspore_serving.server.register.deprecated import AclOptions, GpuOptions
from mindspore_serving.server.register.model import Model
from mindspore_serving.server.register.signature import DeviceOptions


@pytest.fixture
def declaration():
    with declaring("add", "/servables/add") as declaration:
        yield declaration


def declared(declaration: Declaration, **options: Any):
    register.declare_model(model_file="a.mindir", model_format="MindIR", **options)
    register.register_method("y")(lambda x: x)
    return declaration.signature().models[0]


def test_declared_values_arrive_as_data(declaration):
    model = register.declare_model(["a.mindir", "b.mindir"], "mindIR", False, config_file="engine.cfg")
    register.register_method("y")(lambda x: x)
    (data,) = declaration.signature().models
    assert model.model_key == data.key == "a.mindir;b.mindir"
    assert (data.files, data.format, data.with_batch_dim) == (("a.mindir", "b.mindir"), "mindir", False)
    assert data.config_file == "/servables/add/engine.cfg"


@pytest.mark.parametrize(("given", "kept"), [(None, ()), (0, (0,)), (1, (1,)), ([], ()), ((0, 2), (0, 2))])
def test_input_zero_can_be_without_batch_dim(declaration, given, kept):
    assert declared(declaration, without_batch_dim_inputs=given).without_batch_dim_inputs == kept


@pytest.mark.parametrize(
    ("given", "kept"), [("OM", "om"), ("MindIR_Lite", "mindir_lite"), ("MINDIR_OPT", "mindir_lite")]
)
def test_formats(declaration, given, kept):
    register.declare_model("a", given)
    register.register_method("y")(lambda x: x)
    assert declaration.signature().models[0].format == kept


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"with_batch_dim": 1}, "Parameter 'with_batch_dim' should be bool"),
        ({"model_file": ()}, "model files size cannot be 0"),
        ({"model_file": 1}, "Parameter 'model_file' should be str or tuple/list of str"),
        ({"model_file": ["a", "a"]}, "should not be repeated"),
        ({"model_file": "/a.mindir"}, "model file '/a.mindir' should lie inside the version directory"),
        ({"model_file": "../a.mindir"}, "model file '../a.mindir' should lie inside the version directory"),
        ({"model_file": ["a", "b/../../2/a"]}, "model file 'b/../../2/a' should lie inside the version directory"),
        ({"model_file": ".."}, "model file '..' should lie inside the version directory"),
        ({"model_format": "TF"}, "model format can only be OM, MindIR, MindIR_Lite or ONNX"),
        ({"max_batch_size": 0}, "Parameter 'max_batch_size' should be >= 1, but actually 0"),
        ({"max_batch_size": True}, "Parameter 'max_batch_size' should be int"),
        ({"max_batch_size": 2, "with_batch_dim": False}, "max_batch_size needs a batch dimension"),
        ({"model_format": None}, "Parameter 'model_format' should be str"),
        ({"without_batch_dim_inputs": -1}, "should be >= 0"),
        ({"context": 1}, "Parameter 'context' should be Context"),
        ({"options": 1}, "Parameter 'options' should be None, GpuOptions or AclOptions"),
        ({"config_file": ""}, "Parameter 'config_file' should not be empty str"),
    ],
)
def test_wrong_parameters(declaration, options, text):
    with pytest.raises(RuntimeError, match=re.escape(text)):
        register.declare_model(**{"model_file": "a.mindir", "model_format": "MindIR", **options})


@pytest.mark.parametrize("file", ["sub/a.mindir", "..a", "sub/../a", "./a", "..."])
def test_files_inside_the_version_directory(declaration, file):
    assert register.declare_model(file, "MindIR").model_key == file


def test_a_file_belongs_to_one_model(declaration):
    register.declare_model("tensor_add.mindir", "MindIR")
    with pytest.raises(RuntimeError, match=r"model file 'tensor_add.mindir' has already been used"):
        register.declare_model(["other.mindir", "tensor_add.mindir"], "MindIR")


def test_only_while_a_servable_config_is_loaded():
    with pytest.raises(RuntimeError, match=r"Failed to obtain the directory of servable_config\.py"):
        register.declare_model("a.mindir", "MindIR")


def test_context_holds_what_was_given(declaration):
    context = register.Context(thread_num=2, thread_affinity_core_list=[0, 1], enable_parallel=True)
    context.append_device_info(register.GPUDeviceInfo(precision_mode="fp16"))
    context.append_device_info(register.CPUDeviceInfo())
    values = context.model_context
    assert (values.thread_num, values.thread_affinity_core_list, values.enable_parallel) == (2, [0, 1], 1)
    assert values.device_list == [{"device_type": "gpu", "precision_mode": "fp16"}, {"device_type": "cpu"}]
    assert "thread_num: 2" in str(context)
    data = declared(declaration, context=context).context
    assert data.devices[0] == DeviceOptions("gpu", (("precision_mode", "fp16"),))


@pytest.mark.parametrize(
    ("make", "device_type", "options"),
    [
        (register.CPUDeviceInfo, "cpu", {"precision_mode": "fp16"}),
        (register.GPUDeviceInfo, "gpu", {"precision_mode": "origin"}),
        (register.GPUDeviceInfo, "gpu", {}),
        (
            register.AscendDeviceInfo,
            "ascend",
            {
                "insert_op_cfg_path": "some path",
                "input_format": "NHWC",
                "input_shape": "input shape",
                "output_type": "FP16",
                "precision_mode": "allow_fp32_to_fp16",
                "op_select_impl_mode": "high_precision",
                "fusion_switch_config_path": "fusion path",
                "buffer_optimize_mode": "l1_and_l2_optimize",
            },
        ),
    ],
)
def test_device_infos_hold_what_was_given(make, device_type, options):
    assert make(**options).context_map == {"device_type": device_type, **options}
    context = register.Context()
    assert context.append_device_info(make(**options)) is None
    assert context.device_types == [device_type]


def test_context_defaults_mean_not_given():
    values = register.Context().model_context
    assert (values.thread_num, values.thread_affinity_core_list, values.enable_parallel) == (-1, [], -1)
    assert register.Context().options().thread_num is None


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: register.CPUDeviceInfo(engine="lite"),
            "Cpu device info 'engine' can only be 'auto', 'mindspore', 'onnxruntime', but actually 'lite'",
        ),
        (
            lambda: register.Context(thread_affinity_core_list=1),
            "Parameter 'thread_affinity_core_list' should be tuple/list of int, but actually <class 'int'>",
        ),
        (lambda: register.Context(threads=1), "Set context failed, unsupported option threads"),
        (lambda: register.Context(thread_num=0), "Parameter 'thread_num' should be >= 1"),
        (lambda: register.CPUDeviceInfo(x="1"), "Set cpu device info failed, unsupported option x"),
        (lambda: register.AscendDeviceInfo(x="1"), "Set ascend device info failed, unsupported parameter x"),
        (lambda: register.AscendDeviceInfo(output_type="x"), "Ascend device info 'output_type' can only be 'FP32'"),
        (lambda: GpuOptions(precision_mode="origi"), "Gpu device info 'precision_mode' can only be 'origin', 'fp16'"),
        (lambda: GpuOptions(precision_xxx="a"), "Set gpu device info failed, unsupported option precision_xxx"),
        (lambda: register.Context().append_device_info(1), "Parameter 'device_info' should instance of"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_wrong_context(make, text):
    with pytest.raises(RuntimeError, match=re.escape(text)):
        make()


def test_one_device_info_of_a_kind():
    context = register.Context()
    context.append_device_info(register.AscendDeviceInfo())
    with pytest.raises(RuntimeError, match="Device info of type ascend has already been appended"):
        context.append_device_info(register.AscendDeviceInfo(input_format="ND"))


def test_old_options_are_a_context(declaration):
    with pytest.warns(DeprecationWarning, match="AclOptions"):
        options = AclOptions(input_format="NCHW")
    assert options.context.model_context.device_list[0] == {"device_type": "ascend", "input_format": "NCHW"}
    with pytest.warns(DeprecationWarning, match="'options' is deprecated"):
        model = declared(declaration, options=options)
    assert model.context.devices == (DeviceOptions("ascend", (("input_format", "NCHW"),)),)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_gpu_options_are_a_context():
    options = GpuOptions(precision_mode="fp16")
    assert options.context.model_context.device_list[0] == {"device_type": "gpu", "precision_mode": "fp16"}


class Caller:
    """Stands for the executor: one subgraph with two inputs, whose output is their sum."""

    def subgraph_input_counts(self, key):
        return [2] if key == "a.mindir" else None

    def call_model(self, key, subgraph, instances):
        if instances[0][0] is None:
            raise RuntimeError("Predict Failed")
        return [(a + b,) for a, b in instances]


@pytest.fixture
def model(declaration):
    model = register.declare_model("a.mindir", "MindIR")
    declaration.caller = Caller()
    return model


def test_call_returns_what_its_form_asks_for(model):
    assert model.call(1, 2) == 3
    assert model.call([[1, 2], (3, 4)]) == ((3,), (7,))


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((), {}, "Model(a.mindir).call() failed: no inputs provided"),
        (([],), {}, "Input instances count is 0"),
        (([1],), {}, "inputs format invalid"),
        ((1,), {}, "The inputs count 1 of instance 0 is not equal to the inputs count 2 of the model"),
        (([[1, 2], [1]],), {}, "The inputs count 1 of instance 1 is not equal to the inputs count 2 of the model"),
        ((1, 2), {"subgraph": 1}, "The model does not have subgraph of index 1, the subgraph count of the model is 1"),
        ((1, 2), {"subgraph": 1}, "Model(a.mindir, subgraph=1).call() failed: "),
        ((1, 2), {"subgraph": True}, "Parameter 'subgraph' should be int"),
        ((None, 2), {}, "Model(a.mindir).call() failed: Predict Failed"),
    ],
)
def test_wrong_calls(model, arguments, options, text):
    with pytest.raises(RuntimeError, match=re.escape(text)):
        model.call(*arguments, **options)


def test_a_model_made_by_hand_finds_a_declared_one(declaration):
    import contextvars

    def run():
        serve(declaration, Caller())
        assert Model("a.mindir").call(1, 2) == 3
        with pytest.raises(RuntimeError, match="the model is not declared"):
            Model("x").call(1)

    contextvars.copy_context().run(run)
    with pytest.raises(RuntimeError, match="the model is not declared"):
        Model("a.mindir").call(1, 2)
