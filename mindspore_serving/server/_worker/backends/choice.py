"""Which engine runs each model of a worker, and why."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

from mindspore_serving import log
from mindspore_serving.server._worker.backends.conversion import Converted, Refused, Request, convert_all
from mindspore_serving.server._worker.backends.options import (
    AUTO,
    MINDSPORE,
    ONNXRUNTIME,
    engine_option,
    onnxruntime_library,
    wanted_engine,
    why_no_conversion,
)
from mindspore_serving.server.register.signature import ModelDeclaration


@dataclasses.dataclass(frozen=True)
class EngineChoice:
    """The engine of one model."""

    engine: str
    """'mindspore' or 'onnxruntime'; 'mindspore_lite' where the whole server uses that."""
    why: str
    converted: tuple[Converted, ...] = ()
    """A MindIR model's files for ONNX Runtime."""


def choose_engines(
    models: Sequence[ModelDeclaration], directory: str, device_type: str, encrypted: bool
) -> list[EngineChoice]:
    """Decides for each model, and converts those that can be.

    Args:
        models: as declared.
        directory: the version directory, where their files lie.
        device_type: 'cpu', 'gpu', 'ascend' or 'none'.
        encrypted: whether there is a key for the files.

    Raises:
        RuntimeError: a file does not exist, or the engine asked for cannot run the model.
    """
    choices: list[EngineChoice | None] = [
        _without_conversion(model, directory, device_type, encrypted) for model in models
    ]
    to_convert = [model for model, choice in zip(models, choices, strict=True) if choice is None]
    requests = [
        Request(os.path.join(directory, file), model.with_batch_dim, model.without_batch_dim_inputs)
        for model in to_convert
        for file in model.files
    ]
    results = iter(convert_all(requests) if requests else ())
    by_key = {model.key: [next(results) for _ in model.files] for model in to_convert}
    return [
        choice if choice is not None else _after_conversion(model, by_key[model.key])
        for model, choice in zip(models, choices, strict=True)
    ]


def _without_conversion(
    model: ModelDeclaration, directory: str, device_type: str, encrypted: bool
) -> EngineChoice | None:
    """The choice where no conversion is tried; None where one is."""
    for file in model.files:
        if not os.path.isfile(os.path.join(directory, file)):
            raise RuntimeError(f"model file '{os.path.join(directory, file)}' does not exist")
    on_cpu = device_type in ("cpu", "none")
    if model.format == "onnx":
        return _for_onnx(model, on_cpu, device_type, encrypted)
    if model.format != "mindir":
        return EngineChoice(MINDSPORE, f"the format is {model.format}")
    if not on_cpu:
        return EngineChoice(MINDSPORE, f"the device is {device_type}")
    engine, asked_by = wanted_engine(model)
    if engine == MINDSPORE:
        return EngineChoice(MINDSPORE, asked_by)
    why_not = "encrypted models are not converted" if encrypted else why_no_conversion()
    if why_not is None:
        return None
    return _mindspore_instead(model, why_not)


def _for_onnx(model: ModelDeclaration, on_cpu: bool, device_type: str, encrypted: bool) -> EngineChoice:
    if not on_cpu:
        raise RuntimeError(f"Not support device type {device_type} and model type ONNX. ")
    if engine_option(model) == MINDSPORE:
        raise RuntimeError(f"model '{model.key}' is an ONNX file, which engine='{MINDSPORE}' cannot run")
    if encrypted:
        raise RuntimeError(f"model '{model.key}' is an ONNX file, which cannot be encrypted, but a dec_key is given")
    try:
        onnxruntime_library()
    except RuntimeError as error:
        raise RuntimeError(f"model '{model.key}' is an ONNX file, and {error}") from error
    return EngineChoice(ONNXRUNTIME, "the file is ONNX")


def _after_conversion(model: ModelDeclaration, results: Sequence[Converted | Refused]) -> EngineChoice:
    converted = tuple(result for result in results if isinstance(result, Converted))
    if len(converted) == len(results):
        fixed = next((one.why_fixed for one in converted if not one.any_batch), "")
        text = "converted from MindIR, with the same results"
        return EngineChoice(ONNXRUNTIME, f"{text}; the batch size stays: {fixed}" if fixed else text, converted)
    whys = zip(model.files, results, strict=True)
    return _mindspore_instead(model, next(f"{file}: {one.why}" for file, one in whys if isinstance(one, Refused)))


def _mindspore_instead(model: ModelDeclaration, why_not: str) -> EngineChoice:
    engine, asked_by = wanted_engine(model)
    if engine != AUTO:
        raise RuntimeError(f"{asked_by}: ONNX Runtime cannot run model '{model.key}': {why_not}")
    log.info(f"Model '{model.key}' is not run by ONNX Runtime: {why_not}")
    return EngineChoice(MINDSPORE, f"not converted: {why_not}")
