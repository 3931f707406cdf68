"""What the user chose for the engines: in `declare_model`, in `CPUDeviceInfo` and in environment variables."""

from __future__ import annotations

import glob
import importlib.util
import os
from collections.abc import Sequence

from mindspore_serving import log
from mindspore_serving.server.register.signature import ModelDeclaration

ENGINE_VARIABLE = "MINDSPORE_SERVING_ENGINE"
THREADS_VARIABLE = "MINDSPORE_SERVING_ENGINE_THREADS"
AUTO, MINDSPORE, ONNXRUNTIME = "auto", "mindspore", "onnxruntime"


def engine_option(declaration: ModelDeclaration) -> str | None:
    """What the model's `CPUDeviceInfo(engine=...)` says."""
    devices = declaration.context.devices if declaration.context is not None else ()
    return next((dict(device.options).get("engine") for device in devices if device.device_type == "cpu"), None)


def wanted_engine(declaration: ModelDeclaration) -> tuple[str, str]:
    """The engine asked for a MindIR model on CPU, and by what: `CPUDeviceInfo`, then the environment, then 'auto'.

    Raises:
        RuntimeError: the environment variable has another value than 'auto', 'mindspore' and 'onnxruntime'.
    """
    from_environment = os.environ.get(ENGINE_VARIABLE, "").strip() or AUTO
    if from_environment not in (AUTO, MINDSPORE, ONNXRUNTIME):
        raise RuntimeError(
            f"Environment variable {ENGINE_VARIABLE} can only be '{AUTO}', '{MINDSPORE}', '{ONNXRUNTIME}', but "
            f"actually '{from_environment}'"
        )
    option = engine_option(declaration)
    if option is not None:
        return option, f"CPUDeviceInfo(engine='{option}')"
    return from_environment, f"{ENGINE_VARIABLE}={from_environment}"


def onnxruntime_library() -> str:
    """The path of ONNX Runtime's shared library, which the package `onnxruntime` has from 1.20 on.

    Raises:
        RuntimeError: there is none; the text says why.
    """
    spec = importlib.util.find_spec("onnxruntime")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        raise RuntimeError("the package onnxruntime is not installed")
    pattern = os.path.join(glob.escape(folders[0]), "capi", "libonnxruntime.so.*")
    libraries = sorted(glob.glob(pattern))
    if not libraries:
        raise RuntimeError("the installed package onnxruntime has no libonnxruntime.so: 1.20 or newer is needed")
    return libraries[-1]


def why_no_conversion() -> str | None:
    """Why MindIR files cannot be converted with what is installed; None where they can."""
    try:
        onnxruntime_library()
    except RuntimeError as error:
        return str(error)
    return None if importlib.util.find_spec("onnx") is not None else "the package onnx is not installed"


def asked_threads() -> int | None:
    """The threads of an engine that the environment asks for.

    Raises:
        RuntimeError: the environment variable is no positive number.
    """
    text = os.environ.get(THREADS_VARIABLE, "").strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise RuntimeError(f"Environment variable {THREADS_VARIABLE} should be a number >= 1, but actually '{text}'")
    return int(text)


def engine_threads(worker_count: int) -> int:
    """Threads of an engine in this worker: from the environment, else this worker's share of the cores, at least 1.

    Raises:
        RuntimeError: the environment variable is no positive number.
    """
    return asked_threads() or max(1, len(os.sched_getaffinity(0)) // worker_count)


def mindspore_threads(models: Sequence[ModelDeclaration]) -> int:
    """Threads of MindSpore, which has one number for all models of a process: the largest that a model's context says.

    Where no context says any, it is what the environment says, else 1: with more, MindSpore decides by its first runs
    whether it spreads a graph's operators over threads that spin; when it decides wrongly, a small graph takes four
    times as long. Convolutions gained nothing from more threads.
    """
    asked = {
        model.key: model.context.thread_num
        for model in models
        if model.context is not None and model.context.thread_num is not None
    }
    if not asked:
        return asked_threads() or 1
    threads = max(asked.values())
    if len(set(asked.values())) > 1:
        listed = ", ".join(f"{number} for '{key}'" for key, number in asked.items())
        log.warning(
            f"MindSpore has one number of threads for all models of a worker: {threads}, the largest of {listed}"
        )
    else:
        log.info(f"MindSpore runs on {threads} threads, as Context(thread_num=...) says of {', '.join(asked)}")
    return threads


def log_unused_options(declaration: ModelDeclaration, engine: str, *used: str) -> None:
    """Tells which of the context's options the engine that runs the model has no use for."""
    context = declaration.context
    if context is None:
        return
    given = {
        "thread_num": context.thread_num is not None,
        "thread_affinity_core_list": bool(context.thread_affinity_core_list),
        "enable_parallel": context.enable_parallel is not None,
        **{name: True for device in context.devices for name, _ in device.options},
    }
    unused = sorted(name for name, is_given in given.items() if is_given and name not in used and name != "engine")
    if unused:
        log.info(f"Model '{declaration.key}': no effect on the {engine} engine: {', '.join(unused)}")


def check_config_file(declaration: ModelDeclaration, engine: str) -> None:
    """Raises `RuntimeError` when the model's configuration file is missing; warns that it does nothing."""
    if declaration.config_file is None:
        return
    if not os.path.isfile(declaration.config_file):
        raise RuntimeError(f"Load config file: {declaration.config_file} failed, the file does not exist")
    log.warning(f"Config file {declaration.config_file} has no effect on the {engine} engine")
