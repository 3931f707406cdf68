"""What the start calls raise: every text, and that the process can go on afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.server_process import ServerProcess

_SCRIPT = """
import json

from mindspore_serving import server
from mindspore_serving.server import ServableStartConfig

for source in {sources!r}:
    try:
        eval(source)
        result = ["nothing raised", ""]
        server.stop()
    except Exception as error:
        result = ["RuntimeError" if isinstance(error, RuntimeError) else type(error).__name__, str(error)]
    print("RESULT", json.dumps(result), flush=True)
print("all tried", flush=True)
"""


def _try_all(sources: list[str], directory: Path) -> dict[str, tuple[str, str]]:
    """Evaluates each source in one process, one after the other: the error's class and text of each."""
    with ServerProcess(_SCRIPT.format(sources=sources), directory) as process:
        assert process.wait_exit(120) == 0
        assert "all tried" in process.output
        lines = [line.removeprefix("RESULT ") for line in process.output.splitlines() if line.startswith("RESULT ")]
    return dict(zip(sources, (tuple(json.loads(line)) for line in lines), strict=True))


def _config(**arguments: object) -> str:
    return f"ServableStartConfig(**{ ({'servable_directory': '.', 'servable_name': 'add'} | arguments)!r})"


ARGUMENT_ERRORS = [
    (_config(servable_directory=1), "Parameter 'servable_directory' should be str, but actually <class 'int'>"),
    (_config(servable_directory=""), "Parameter 'servable_directory' should not be empty str"),
    (_config(servable_name=1), "Parameter 'servable_name' should be str, but actually <class 'int'>"),
    (_config(version_number=False), "Parameter 'version_number' should be int, but actually <class 'bool'>"),
    (_config(version_number=None), "Parameter 'version_number' should be int, but actually <class 'NoneType'>"),
    (_config(version_number=-1), "Parameter 'version_number' should be >= 0"),
    (_config(device_ids="1"), "Parameter 'device_ids' should be int or tuple/list of int, but actually <class 'str'>"),
    (_config(device_ids=-1), "in parameter 'device_ids' should be >= 0"),
    (_config(device_ids=True), "The item value 'True' in parameter 'device_ids' should be int"),
    (_config(device_ids=[1, 1]), "should not be repeated"),
    (_config(device_type=123), "Parameter 'device_type' should be str, but actually <class 'int'>"),
    (_config(device_type=""), "Parameter 'device_type' should not be empty str"),
    (_config(device_type="Abacus"), "Unsupported device type 'Abacus', only support 'Ascend', 'GPU', 'CPU' and None"),
    (_config(num_parallel_workers=65), "Parameter 'num_parallel_workers' should be in range [0,64]"),
    (_config(dec_key="k" * 16), "dec_key"),
    (_config(dec_key=b""), "should not be empty bytes"),
    (_config(dec_key=b"123"), "Parameter 'dec_key' length 3 expected to be 16, 24 or 32"),
    (_config(dec_mode="aes-gcm"), "expected to be 'AES-GCM' or 'AES-CBC'"),
    ("server.start_servables('add')", "should be ServableStartConfig, list or tuple"),
    ("server.start_servables(c for c in ())", "should be ServableStartConfig, list or tuple"),
    ("server.start_servables([])", ""),
    ("server.start_servables([1])", "ServableStartConfig"),
    (f"server.start_servables({_config()}, enable_lite=1)", "Parameter 'enable_lite' should be bool"),
    ("server.start_grpc_server(5500)", "Parameter 'address' should be str, but actually <class 'int'>"),
    (
        "server.start_grpc_server('invalid address')",
        "The format of the Serving gRPC address 'invalid address' is illegal",
    ),
    ("server.start_grpc_server('127.0.0.1')", "The format of the Serving gRPC address '127.0.0.1' is illegal"),
    ("server.start_grpc_server(':5500')", "Missing ip or port of the Serving gRPC address"),
    ("server.start_grpc_server('127.0.0.1:')", "Missing ip or port of the Serving gRPC address"),
    ("server.start_grpc_server('127.0.0.1:x')", "port is not a number"),
    ("server.start_grpc_server('127.0.0.1:5000000')", "is out of legal range [1 ~ 65535]"),
    ("server.start_grpc_server('127.0.0.0.1:5000')", "Serving gRPC server start failed, create server failed, address"),
    ("server.start_grpc_server('127.0.256.1:5000')", "Serving gRPC server start failed, create server failed, address"),
    (
        "server.start_grpc_server('127.0.0.1:5000:5000')",
        "Serving gRPC server start failed, create server failed, address",
    ),
    ("server.start_grpc_server('unix:')", "Empty grpc server unix domain socket address"),
    (
        "server.start_grpc_server('unix:no/such/folder/s')",
        "Serving gRPC server start failed, create server failed, address",
    ),
    (
        "server.start_grpc_server('127.0.0.1:0', max_msg_mb_size=0)",
        "Parameter 'max_msg_mb_size' should be in range [1,512]",
    ),
    ("server.start_grpc_server('127.0.0.1:0', 513)", "Parameter 'max_msg_mb_size' should be in range [1,512]"),
    ("server.start_grpc_server('127.0.0.1:0', ssl_config=1)", "type of ssl_config should be"),
    (
        "server.start_grpc_server('127.0.0.1:0', ssl_config=server.SSLConfig('c', 'k'))",
        "Serving gRPC server start failed, create server failed, address 127.0.0.1:0, load certificate_chain from c",
    ),
    (
        "server.start_restful_server('127.0.0.1:0', ssl_config=server.SSLConfig('c', 'k'))",
        "RESTful server start failed, load certificate_chain from c failed",
    ),
    ("server.start_restful_server('127.0.0.1')", "The format of the RESTful server address '127.0.0.1' is illegal"),
    ("server.start_restful_server('127.0.0.1:65536')", "is out of legal range [1 ~ 65535]"),
    (
        "server.start_restful_server('127.0.256.1:5000')",
        "RESTful server start failed, bind to the socket address 127.0.256.1:5000 failed",
    ),
    (
        "server.start_restful_server('127.0.0.1:5000:5000')",
        "RESTful server start failed, bind to the socket address 127.0.0.1:5000:5000 failed",
    ),
    ("server.start_restful_server('unix:some')", "RESTful server does not support binding to unix domain socket"),
    ("server.start_restful_server('127.0.0.1:0', True)", "Parameter 'max_msg_mb_size' should be int"),
    ("server.start_restful_server('127.0.0.1:0', ssl_config='x')", "type of ssl_config should be"),
]


@pytest.fixture(scope="module")
def argument_results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    return _try_all([source for source, _ in ARGUMENT_ERRORS], tmp_path_factory.mktemp("arguments"))


@pytest.mark.parametrize(("source", "fragment"), ARGUMENT_ERRORS, ids=[source[-60:] for source, _ in ARGUMENT_ERRORS])
def test_wrong_arguments(argument_results: dict[str, tuple[str, str]], source: str, fragment: str) -> None:
    kind, text = argument_results[source]
    assert kind == "RuntimeError"
    assert fragment in text


_IMPORTS = "import numpy as np\nfrom mindspore_serving.server import register\n"
_MODEL = "model = register.declare_model(model_file='tensor_add.mindir', model_format='MindIR', with_batch_dim=False)\n"
_METHOD = "@register.register_method(output_names=['y'])\ndef predict(x1, x2):\n    "

# Servables without anything else but this text; what their start says.
CONFIG_ERRORS = {
    "syntax": ("def f(:", "import syntax.servable_config failed, "),
    "raising": ("raise ValueError('my own error')", "import raising.servable_config failed, my own error"),
    "importing": ("import no_such_module_anywhere", "No module named 'no_such_module_anywhere'"),
    "undefined": ("add_trans_datatype", "name 'add_trans_datatype' is not defined"),
    "exiting": ("import os\nos._exit(7)", "Fail to start workers because of death of one worker"),
    "empty": (_IMPORTS, "There is no method registered for servable"),
    "no_version": (
        _IMPORTS + _MODEL + _METHOD + "return register.add_stage(model, x1, x2, outputs_count=1)",
        "There is no valid version directory of models",
    ),
    "twice": (_IMPORTS + (_METHOD + "return x1\n\n") * 2, "Method predict has been registered more than once"),
    "var_positional": (
        _IMPORTS + "@register.register_method('y')\ndef m(x1, *x2):\n    return x1",
        "'m' input x2 cannot be VAR_POSITIONAL !",
    ),
    "var_keyword": (
        _IMPORTS + "@register.register_method('y')\ndef m(x1, **x2):\n    return x1",
        "'m' input x2 cannot be VAR_KEYWORD !",
    ),
    "no_placeholder": (
        _IMPORTS + _METHOD + "return register.add_stage(lambda a, b: a, x1, np.ones(2), outputs_count=1)",
        "Each value of parameter *args is a placeholder for data",
    ),
    "returns_array": (_IMPORTS + _METHOD + "return np.ones(2)", "Each value returned is a placeholder for data"),
    "returns_two": (_IMPORTS + _METHOD + "return x1, x2", "Method return output size 2 not match registered 1"),
    "arity": (
        _IMPORTS
        + "def func(a):\n    return a\n\n"
        + _METHOD
        + "return register.add_stage(func, x1, x2, outputs_count=1)",
        "function func input args count 1 not match the count 2 registered in method",
    ),
    "unpack_few": (
        _IMPORTS + _METHOD + "a, b = register.add_stage(lambda a: a, x1, outputs_count=3)\n    return a",
        "too many values to unpack (expected 2",
    ),
    "unpack_one": (
        _IMPORTS + _METHOD + "a, b = register.add_stage(lambda a: a, x1, outputs_count=1)\n    return a",
        "cannot unpack non-iterable _TensorDef object",
    ),
    "batch_size": (
        _IMPORTS + _METHOD + "return register.add_stage(lambda a: a, x1, outputs_count=1, batch_size=-1)",
        "Parameter 'batch_size' should be >= 0",
    ),
    "outputs_count": (
        _IMPORTS + _METHOD + "return register.add_stage(lambda a: a, x1, outputs_count='1')",
        "Parameter 'outputs_count' should be int",
    ),
    "bound_method": (
        _IMPORTS + _METHOD + "return register.add_stage([].append, x1, outputs_count=1)",
        "the parameter 'stage' of add_stage must be function or Model returned by declare_model",
    ),
    "no_files": (
        _IMPORTS + "register.declare_model(model_file=[], model_format='MindIR')",
        "model files size cannot be 0",
    ),
    "format": (
        _IMPORTS + "register.declare_model(model_file='a.pb', model_format='TF')",
        "model format can only be OM, MindIR, MindIR_Lite or ONNX",
    ),
    "file_twice": (_IMPORTS + _MODEL * 2, "model file 'tensor_add.mindir' has already been used"),
}


@pytest.fixture(scope="module")
def config_results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    folder = tmp_path_factory.mktemp("configs")
    sources = {}
    for name, (text, _) in CONFIG_ERRORS.items():
        (folder / name).mkdir()
        (folder / name / "servable_config.py").write_text(text + "\n")
        sources[name] = f"server.start_servables({_config(servable_directory=str(folder), servable_name=name)})"
    results = _try_all(list(sources.values()), tmp_path_factory.mktemp("config_errors"))
    return {name: results[source] for name, source in sources.items()}


@pytest.mark.parametrize("name", CONFIG_ERRORS)
def test_wrong_servable_config(config_results: dict[str, tuple[str, str]], name: str) -> None:
    kind, text = config_results[name]
    assert kind == "RuntimeError"
    assert CONFIG_ERRORS[name][1] in text


@pytest.fixture(scope="module")
def directory_results(
    servables_with_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[str, str]]:
    """Starts that fail for what is, or is not, in the servable's directory; some of them load models."""
    folder = tmp_path_factory.mktemp("directories")
    (folder / "without_config").mkdir()
    text = _IMPORTS + _MODEL + _METHOD + "return register.add_stage(model, x1, x2, outputs_count=1)\n"
    for name, version, file, config in (
        ("only_version_0", "0", "tensor_add.mindir", text),
        ("no_file", "1", None, text),
        ("not_a_model", "1", "garbage", text),
        ("inputs_count", "1", "tensor_add.mindir", text.replace("model, x1, x2", "model, x1")),
        ("outputs_count", "1", "tensor_add.mindir", text.replace("outputs_count=1", "outputs_count=2")[:-1] + "[0]\n"),
    ):
        (folder / name / version).mkdir(parents=True)
        (folder / name / "servable_config.py").write_text(config)
        if file == "garbage":
            (folder / name / version / "tensor_add.mindir").write_bytes(b"this is no model")
        elif file:
            model = servables_with_models / "models" / "1" / file
            (folder / name / version / file).write_bytes(model.read_bytes())
    base = {"servable_directory": str(folder), "device_ids": 0}
    configs = {
        "no_folder": _config(**base | {"servable_name": "nowhere"}),
        "without_config": _config(**base | {"servable_name": "without_config"}),
        "only_version_0": _config(**base | {"servable_name": "only_version_0"}),
        "other_version": _config(**base | {"servable_name": "no_file", "version_number": 2}),
        "no_file": _config(**base | {"servable_name": "no_file"}),
        "not_a_model": _config(**base | {"servable_name": "not_a_model"}),
        "inputs_count": _config(**base | {"servable_name": "inputs_count"}),
        "outputs_count": _config(**base | {"servable_name": "outputs_count"}),
        "ascend": _config(**base | {"servable_name": "no_file", "device_type": "Ascend"}),
    }
    sources = {name: f"server.start_servables({config})" for name, config in configs.items()}
    sources["two_directories"] = (
        f"server.start_servables([{configs['no_file']}, "
        f"{_config(servable_directory=str(servables_with_models), servable_name='no_file')}])"
    )
    results = _try_all(list(sources.values()), tmp_path_factory.mktemp("directory_errors"))
    return lambda name: results[sources[name]]


@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        ("no_folder", "Check servable config failed, directory "),
        ("without_config", "Check servable config failed, file "),
        ("only_version_0", "There is no valid version directory of models"),
        ("other_version", "There is no specified version directory of models, specified version number: 2"),
        ("no_file", "Load model failed, servable directory: "),
        ("not_a_model", "Load model failed, servable directory: "),
        ("inputs_count", "The inputs count 1 in register_method not equal to the count 2 defined in model"),
        ("outputs_count", "The outputs count 2 in register_method not equal to the count 1 defined in model"),
        (
            "ascend",
            "The device type 'ascend' of servable name no_file is inconsistent with current running environment",
        ),
        ("two_directories", "The servable directory of servable name no_file is different in multiple configurations"),
    ],
)
def test_wrong_servable_directory(
    directory_results: Callable[[str], tuple[str, str]], name: str, fragment: str
) -> None:
    kind, text = directory_results(name)
    assert kind == "RuntimeError"
    assert fragment in text
