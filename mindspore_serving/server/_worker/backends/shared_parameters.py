"""State of a MindSpore model: what the graphs of one model change, they have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from mindspore_serving import log


@dataclasses.dataclass(frozen=True)
class LoadedGraph:
    """One file of a model, loaded and not compiled yet."""

    file: str
    """Its name, for messages."""
    network: Any
    """A `GraphCell`."""
    changed: frozenset[str]
    """The parameters that running it may change."""


def share_parameters(graphs: Sequence[LoadedGraph]) -> tuple[str, ...]:
    """Lets the graphs of one model have one copy of the parameters of the same name. Only before the first call.

    Parameters that no graph changes and whose values differ are weights that only happen to have one name: each graph
    keeps its own. Where the values of a parameter that is changed differ, those of the first file count.

    Returns:
        The names of the parameters that are the model's state, in order.

    Raises:
        RuntimeError: a parameter that is changed has another type or shape in another file, or this MindSpore cannot
            share it.
    """
    state = frozenset().union(*(graph.changed for graph in graphs))
    owners: dict[str, tuple[LoadedGraph, Any]] = {}
    for graph in graphs:
        for parameter in graph.network.get_parameters():
            owner, first = owners.setdefault(parameter.name, (graph, parameter))
            if owner is not graph:
                _share(owner.file, first, graph.file, parameter, parameter.name in state)
    return tuple(sorted(state))


def _share(first_file: str, first: Any, file: str, parameter: Any, is_state: bool) -> None:
    if _kind(parameter) != _kind(first):
        if is_state:
            raise RuntimeError(
                f"parameter '{parameter.name}' is state of the model, but {_kind(first)} in '{first_file}' and "
                f"{_kind(parameter)} in '{file}': give it one shape and data type to be shared, or two names"
            )
        return
    if parameter.get_bytes() != first.get_bytes():
        if not is_state:
            return
        log.warning(
            f"Parameter '{parameter.name}' is state that '{first_file}' and '{file}' share, but its values differ: it "
            f"begins with those of '{first_file}'"
        )
    try:
        parameter.assign_value(first)
        shared = parameter.data_ptr() == first.data_ptr()
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        raise RuntimeError(_cannot_share(parameter, f": {error}")) from error
    if not shared:
        raise RuntimeError(_cannot_share(parameter, ""))


def _cannot_share(parameter: Any, why: str) -> str:
    import mindspore

    return (
        f"the subgraphs of the model cannot share parameter '{parameter.name}' with MindSpore {mindspore.__version__}"
        f"{why}"
    )


def _kind(parameter: Any) -> str:
    return f"{str(parameter.dtype).lower()}{list(parameter.shape)}"
