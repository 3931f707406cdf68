"""Serves one stage function as a method."""

from __future__ import annotations

from mindspore_serving.server import register


def text_of(function: str, text: str) -> str:
    return f"Call Function 'test.{function}' Failed, method: 'method', stage index(begin with 1): 1, error msg: {text}"


def run(worker, function, *instances, outputs=("y",), **options):
    """Serves a method of one stage with that function, whose inputs have the names of the first instance's values."""
    names = list(instances[0])

    def method(x):
        return register.add_stage(function, x, outputs_count=len(outputs), **options)

    def method2(x, z):
        return register.add_stage(function, x, z, outputs_count=len(outputs), **options)

    chosen = method if len(names) == 1 else method2
    chosen.__name__ = "method"
    register.register_method(outputs)(chosen)
    worker.start()
    return worker._master.ask("method", *instances)
