"""What a `servable_config.py` calls to declare its models and methods."""

from mindspore_serving.server.register.context import AscendDeviceInfo, Context, CPUDeviceInfo, GPUDeviceInfo
from mindspore_serving.server.register.deprecated import AclOptions, GpuOptions
from mindspore_serving.server.register.method import add_stage, register_method
from mindspore_serving.server.register.model import Model, declare_model
from mindspore_serving.server.register.single_model import (
    call_postprocess,
    call_postprocess_pipeline,
    call_preprocess,
    call_preprocess_pipeline,
    call_servable,
    declare_servable,
)

__all__ = [
    "AscendDeviceInfo",
    "CPUDeviceInfo",
    "Context",
    "GPUDeviceInfo",
    "Model",
    "add_stage",
    "declare_model",
    "register_method",
]
# Importable under their old names, but not part of the documented interface.
_DEPRECATED = (
    AclOptions,
    GpuOptions,
    call_postprocess,
    call_postprocess_pipeline,
    call_preprocess,
    call_preprocess_pipeline,
    call_servable,
    declare_servable,
)
