"""The seam between the worker and an inference engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

    from mindspore_serving.server._worker import _core
    from mindspore_serving.server.register.signature import ModelDeclaration

ANY = -1
"""A dimension that the model leaves open."""


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """An input or output as the model's file declares it."""

    dtype: str
    """numpy's name, such as 'float32'."""
    shape: tuple[int, ...]
    """With the batch dimension; ANY where any size will do."""

    def __str__(self) -> str:
        return f"{self.dtype}{list(self.shape)}"


@dataclasses.dataclass(frozen=True)
class SubgraphInfo:
    """The signature of one model file."""

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


class LoadedModel(Protocol):
    """A model that is ready to run."""

    @property
    def subgraphs(self) -> Sequence[SubgraphInfo]:
        """The signature of each file, in the order of the declaration."""

    @property
    def engine(self) -> str:
        """Which engine runs it, and how, in words."""

    @property
    def takes_any_batch(self) -> bool:
        """Whether it runs batches of any size although its files may declare one."""

    @property
    def state(self) -> Sequence[str]:
        """The parameters that running it changes, which all its subgraphs then see changed."""

    @property
    def graphs(self) -> Sequence[_core.Graph]:
        """By subgraph what C++ runs instead of `predict`, in any thread and without the interpreter; empty where only
        `predict` can."""

    def predict(self, subgraph: int, inputs: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """Runs one batch: C-ordered arrays in and out, which may be read while they are in use. Raises on failure.

        Called in the thread that loaded the model.
        """


class Backend(Protocol):
    """An engine in this process. Made, and asked to load, in one thread only."""

    def load(self, declaration: ModelDeclaration, files: Sequence[str]) -> LoadedModel:
        """Loads the model's `files` (absolute paths); its state is then as in the files.

        Raises `RuntimeError` with the details.
        """
