"""Options for the engine that loads a model: `Context` and one device info per kind of device."""

from __future__ import annotations

from typing import Any

from mindspore_serving.server.checks import check_bool, check_int, check_int_sequence, check_str
from mindspore_serving.server.register.signature import ContextOptions, DeviceOptions

_PRECISION = ("origin", "fp16")


class ModelContext:
    """The values of a `Context` as engines read them; -1 and empty mean "not given"."""

    def __init__(self) -> None:
        self.thread_num = -1
        self.thread_affinity_core_list: list[int] = []
        self.enable_parallel = -1
        self.device_list: list[dict[str, str]] = []


class _DeviceInfo:
    """Checks and keeps the options of one kind of device."""

    _device_type = ""
    _title = ""
    _unknown_word = "option"
    _choices: dict[str, tuple[str, ...] | None] = {}

    def __init__(self, **options: Any) -> None:
        self.context_map: dict[str, str] = {"device_type": self._device_type}
        for name, value in options.items():
            if name not in self._choices:
                raise RuntimeError(
                    f"Set {self._device_type} device info failed, unsupported {self._unknown_word} {name}"
                )
            self.context_map[name] = self._check_option(name, value)

    @property
    def device_type(self) -> str:
        """'cpu', 'gpu' or 'ascend'."""
        return self._device_type

    def _check_option(self, name: str, value: Any) -> str:
        check_str(name, value)
        choices = self._choices[name]
        if choices is not None and value not in choices:
            allowed = ", ".join(f"'{choice}'" for choice in choices)
            raise RuntimeError(f"{self._title} device info '{name}' can only be {allowed}, but actually '{value}'")
        return value


class CPUDeviceInfo(_DeviceInfo):
    """Options for models on CPU.

    Args:
        precision_mode: 'origin' (default) or 'fp16'.
        engine: what runs a MindIR model: 'mindspore'; 'onnxruntime', an error of the start where it does not convert;
            or 'auto', ONNX Runtime where it converts and MindSpore elsewhere. Default: what the environment variable
            MINDSPORE_SERVING_ENGINE says, else 'auto'.

    Raises:
        RuntimeError: an option is unknown or has a wrong value.

    Example:
        >>> context.append_device_info(CPUDeviceInfo(engine="mindspore"))
    """

    _device_type = "cpu"
    _title = "Cpu"
    _choices = {"precision_mode": _PRECISION, "engine": ("auto", "mindspore", "onnxruntime")}


class GPUDeviceInfo(_DeviceInfo):
    """Options for models on GPU.

    Args:
        precision_mode: 'origin' (default) or 'fp16'.

    Raises:
        RuntimeError: an option is unknown or has a wrong value.

    Example:
        >>> context.append_device_info(GPUDeviceInfo(precision_mode="fp16"))
    """

    _device_type = "gpu"
    _title = "Gpu"
    _choices = {"precision_mode": _PRECISION}


class AscendDeviceInfo(_DeviceInfo):
    """Options for models on Ascend; all are strings and may be left out.

    Args:
        insert_op_cfg_path: file with the configuration of the preprocessing operator.
        input_format: 'ND', 'NCHW', 'NHWC', 'CHWN', 'NC1HWC0' or 'NHWC1C0'.
        input_shape: shapes of the inputs, such as "x:1,2,3,4;y:4,3,2,1".
        output_type: 'FP32', 'FP16' or 'UINT8'.
        precision_mode: 'force_fp16', 'allow_fp32_to_fp16', 'must_keep_origin_dtype' or 'allow_mix_precision'.
        op_select_impl_mode: 'high_performance' or 'high_precision'.
        fusion_switch_config_path: file with the configuration of fusion.
        buffer_optimize_mode: 'l1_optimize', 'l2_optimize', 'off_optimize' or 'l1_and_l2_optimize'.

    Raises:
        RuntimeError: an option is unknown or has a wrong value.

    Example:
        >>> context.append_device_info(AscendDeviceInfo(input_format="NCHW"))
    """

    _device_type = "ascend"
    _title = "Ascend"
    _unknown_word = "parameter"
    _choices = {
        "insert_op_cfg_path": None,
        "input_format": ("ND", "NCHW", "NHWC", "CHWN", "NC1HWC0", "NHWC1C0"),
        "input_shape": None,
        "output_type": ("FP32", "FP16", "UINT8"),
        "precision_mode": ("force_fp16", "allow_fp32_to_fp16", "must_keep_origin_dtype", "allow_mix_precision"),
        "op_select_impl_mode": ("high_performance", "high_precision"),
        "fusion_switch_config_path": None,
        "buffer_optimize_mode": ("l1_optimize", "l2_optimize", "off_optimize", "l1_and_l2_optimize"),
    }


class Context:
    """Options for loading a model, given to `declare_model`.

    Args:
        thread_num: threads of the engine, at least 1. Default: what MINDSPORE_SERVING_ENGINE_THREADS says, else one for
            MindSpore and a worker's share of the cores for the others. MindSpore has one number for all models of a
            worker: the largest.
        thread_affinity_core_list: tuple or list of the cores that threads are bound to.
        enable_parallel: whether operators may run in parallel.

    Raises:
        RuntimeError: an option is unknown or has a wrong value.

    Example:
        >>> context = Context(thread_num=1, thread_affinity_core_list=[0, 1], enable_parallel=True)
        >>> context.append_device_info(CPUDeviceInfo(precision_mode="origin"))
        >>> model = declare_model("tensor_add.mindir", "MindIR", context=context)
    """

    def __init__(self, **options: Any) -> None:
        self.model_context = ModelContext()
        self.device_types: list[str] = []
        for name, value in options.items():
            if name == "thread_num":
                self.model_context.thread_num = check_int(name, value, 1)
            elif name == "thread_affinity_core_list":
                self.model_context.thread_affinity_core_list = list(check_int_sequence(name, value, 0))
            elif name == "enable_parallel":
                self.model_context.enable_parallel = int(check_bool(name, value))
            else:
                raise RuntimeError(f"Set context failed, unsupported option {name}")

    def append_device_info(self, device_info: CPUDeviceInfo | GPUDeviceInfo | AscendDeviceInfo) -> None:
        """Adds the options for one kind of device; each kind once.

        Raises:
            RuntimeError: `device_info` is something else, or its kind is there already.
        """
        if not isinstance(device_info, (CPUDeviceInfo, GPUDeviceInfo, AscendDeviceInfo)):
            raise RuntimeError(
                f"Parameter 'device_info' should instance of CPUDeviceInfo, GPUDeviceInfo, or AscendDeviceInfo, but "
                f"actually {type(device_info)}"
            )
        if device_info.device_type in self.device_types:
            raise RuntimeError(f"Device info of type {device_info.device_type} has already been appended")
        self.device_types.append(device_info.device_type)
        self.model_context.device_list.append(device_info.context_map)

    def options(self) -> ContextOptions:
        """The same values as frozen data."""
        values = self.model_context
        return ContextOptions(
            thread_num=None if values.thread_num < 0 else values.thread_num,
            thread_affinity_core_list=tuple(values.thread_affinity_core_list),
            enable_parallel=None if values.enable_parallel < 0 else bool(values.enable_parallel),
            devices=tuple(
                DeviceOptions(device["device_type"], tuple((k, v) for k, v in device.items() if k != "device_type"))
                for device in values.device_list
            ),
        )

    def __str__(self) -> str:
        values = self.model_context
        return (
            f"thread_num: {values.thread_num}, thread_affinity_core_list: {values.thread_affinity_core_list}, "
            f"enable_parallel: {values.enable_parallel}, device_list: {values.device_list}"
        )
