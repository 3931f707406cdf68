"""Options under their old names; each name warns once and names the replacement."""

from __future__ import annotations

import functools
import warnings
from typing import Any

from mindspore_serving import log
from mindspore_serving.server.register.context import AscendDeviceInfo, Context, GPUDeviceInfo


@functools.cache
def warn_once(old: str, new: str, stacklevel: int = 3) -> None:
    """Says once in a process that `old` is deprecated, as a DeprecationWarning and in the log."""
    text = f"'{old}' is deprecated, use '{new}'"
    warnings.warn(text, DeprecationWarning, stacklevel=stacklevel)
    log.warning(text)


class AclOptions:
    """Deprecated: a `Context` with one `AscendDeviceInfo`, whose options it takes.

    Example:
        >>> model = declare_model("x.om", "OM", options=AclOptions(input_format="NCHW"))
    """

    def __init__(self, **options: Any) -> None:
        warn_once("AclOptions", "Context and AscendDeviceInfo")
        self.context = Context()
        self.context.append_device_info(AscendDeviceInfo(**options))


class GpuOptions:
    """Deprecated: a `Context` with one `GPUDeviceInfo`, whose options it takes.

    Example:
        >>> model = declare_model("x.mindir", "MindIR", options=GpuOptions(precision_mode="fp16"))
    """

    def __init__(self, **options: Any) -> None:
        warn_once("GpuOptions", "Context and GPUDeviceInfo")
        self.context = Context()
        self.context.append_device_info(GPUDeviceInfo(**options))


def options_context(options: AclOptions | GpuOptions | None, context: Context | None) -> Context | None:
    """The context to use, from the old parameter `options` where only that is given."""
    if options is None:
        return context
    if not isinstance(options, (AclOptions, GpuOptions)):
        raise RuntimeError(
            f"Parameter 'options' should be None, GpuOptions or AclOptions, but actually {type(options)}"
        )
    warn_once("options", "context", stacklevel=4)
    return options.context if context is None else context
