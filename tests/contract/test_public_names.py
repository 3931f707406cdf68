"""The names that scripts of the original import, and those that were gone there already."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import pytest

NAMES = {
    "mindspore_serving.log": ["info", "debug", "warning", "error", "get_level", "get_log_config"],
    "mindspore_serving.server": [
        *("start_servables", "ServableStartConfig", "start_grpc_server", "start_restful_server", "stop", "SSLConfig"),
        *("register", "master"),
    ],
    "mindspore_serving.server.register": [
        *("declare_model", "Model", "Context", "CPUDeviceInfo", "GPUDeviceInfo", "AscendDeviceInfo"),
        *("register_method", "add_stage", "declare_servable", "call_servable", "call_preprocess", "call_postprocess"),
        *("call_preprocess_pipeline", "call_postprocess_pipeline", "AclOptions", "GpuOptions"),
    ],
    "mindspore_serving.server.register.model": ["Model"],
    "mindspore_serving.server.master": ["start_grpc_server", "start_restful_server", "stop", "SSLConfig", "context"],
    "mindspore_serving.server.master.context": ["set_max_enqueued_requests"],
    "mindspore_serving.client": ["Client", "SSLConfig"],
    "mindspore_serving.client.python.client": [
        *("Client", "SSLConfig", "ClientGrpcAsyncResult", "ClientGrpcAsyncError"),
    ],
    "mindspore_serving.proto.ms_service_pb2": ["PredictRequest", "PredictReply"],
    "mindspore_serving.proto.ms_service_pb2_grpc": ["MSServiceStub"],
}
PARAMETERS = {
    "server.ServableStartConfig": "servable_directory servable_name device_ids version_number device_type "
    "num_parallel_workers dec_key dec_mode",
    "server.start_servables": "servable_configs enable_lite",
    "server.start_grpc_server": "address max_msg_mb_size ssl_config",
    "server.start_restful_server": "address max_msg_mb_size ssl_config",
    "server.stop": "",
    "server.SSLConfig": "certificate private_key custom_ca verify_client",
    "server.master.context.set_max_enqueued_requests": "max_enqueued_requests",
    "server.register.declare_model": "model_file model_format with_batch_dim options without_batch_dim_inputs context "
    "config_file",
    "server.register.register_method": "output_names",
    "server.register.add_stage": "stage args outputs_count batch_size tag",
    "server.register.Model.call": "self args subgraph",
    "server.register.declare_servable": "servable_file model_format with_batch_dim options without_batch_dim_inputs",
    "client.Client": "address servable_name method_name version_number ssl_config",
    "client.SSLConfig": "certificate private_key custom_ca",
}


@pytest.mark.parametrize("module", NAMES)
def test_importable(module):
    missing = [name for name in NAMES[module] if not hasattr(importlib.import_module(module), name)]
    assert not missing


def test_one_import_makes_the_others_usable():
    script = "from mindspore_serving import server\nserver.master.context, server.register.model.Model, server.register"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_keep_their_names_and_order(name):
    """Parameters of our own come after the original's."""
    owner = importlib.import_module("mindspore_serving")
    for part in name.split("."):
        owner = getattr(owner, part, None) or importlib.import_module(f"{owner.__name__}.{part}")
    wanted = PARAMETERS[name].split()
    assert list(inspect.signature(owner).parameters)[: len(wanted)] == wanted


@pytest.mark.parametrize("module", ["master", "worker", "server.worker.distributed"])
def test_packages_that_were_gone(module):
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"mindspore_serving.{module}")


def test_functions_that_were_gone():
    from mindspore_serving import server

    gone = ("declare_distributed_servable", "start_distributed_servable", "startup_worker_agents", "register_pipeline")
    assert not [name for name in gone if hasattr(server, name) or hasattr(server.register, name)]
    assert not hasattr(server.register, "PipelineServable")
