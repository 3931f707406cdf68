"""What the master and a worker say to each other over the control socket: one JSON object a line, nothing else.

The socket is inherited by the worker; its end of file tells each side that the other is gone. Requests and results
never travel here, they go through the channel (shared memory).
"""

from __future__ import annotations

import dataclasses
import json
import socket
from typing import Any

EXIT_STOPPED = 0
"""Exit code of a worker that was asked to stop."""
EXIT_START_FAILED = 3
"""Exit code of a worker that could not start: never restarted, its error is the user's error message."""


@dataclasses.dataclass(frozen=True)
class StartWorker:
    """Master to worker, the first message: what to load and which descriptors to attach to."""

    servable_directory: str
    servable_name: str
    version_number: int
    """The version directory to load; 0 where the servable has none."""
    device_type: str
    """'ascend', 'gpu', 'cpu' or 'none' (the engine chooses)."""
    device_id: int | None
    """None in an extra worker."""
    extra_index: int | None
    """The number of an extra worker, None in a device worker."""
    own_device: bool
    """Whether models are loaded here; else model stages go back through the master."""
    enable_lite: bool
    channel_fds: tuple[int, ...]
    worker_count: int
    """Workers of the whole server that load models; engines divide the cores by it."""
    dec_key_fd: int | None = None
    """What to read the key of encrypted models from: it never stands in a message."""
    dec_mode: str = "AES-GCM"
    remote_models: tuple[dict[str, Any], ...] = ()
    """For a worker without device: the models as a device worker of the servable described them when it was ready."""


@dataclasses.dataclass(frozen=True)
class MethodInfo:
    """A method as the dispatcher needs to know it."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    lane: int
    """Whose bell to ring for a new instance: 0 the Python thread, 1 and up a model thread."""
    credit: int
    """How many instances of this method the worker takes at once."""
    only_model_stages: bool


@dataclasses.dataclass(frozen=True)
class WorkerReady:
    """Worker to master: loaded, the executor runs, requests may come."""

    version_number: int
    """The version served: that of the directory, or 1 for a servable without version directories and none requested."""
    methods: tuple[MethodInfo, ...]
    models: tuple[dict[str, Any], ...] = ()
    """Per model: key, engine and why, inputs and outputs, and how it takes batches; for status pages, and for workers
    without device that have their model stages run here."""
    remote_methods: tuple[str, ...] = ()
    """The internal methods of device workers that this worker calls, in its order."""


@dataclasses.dataclass(frozen=True)
class WorkerFailed:
    """Worker to master: the start failed; the worker then ends with EXIT_START_FAILED."""

    error: str


@dataclasses.dataclass(frozen=True)
class WorkerLeaving:
    """Worker to master: it was told to end by a signal; no new requests, please, and no replacement."""

    reason: str


@dataclasses.dataclass(frozen=True)
class StopWorker:
    """Master to worker: finish what runs, then end."""


Message = StartWorker | WorkerReady | WorkerFailed | WorkerLeaving | StopWorker
_TYPES: dict[str, type] = {
    cls.__name__: cls for cls in (StartWorker, WorkerReady, WorkerFailed, WorkerLeaving, StopWorker)
}


def encode(message: Message) -> bytes:
    """The message as one line."""
    fields = {field.name: getattr(message, field.name) for field in dataclasses.fields(message)}
    if isinstance(message, WorkerReady):
        fields["methods"] = [dataclasses.asdict(method) for method in message.methods]
    return json.dumps({"type": type(message).__name__, **fields}).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of one line. Raises `ValueError` for anything else."""
    fields = json.loads(line)
    cls = _TYPES.get(fields.pop("type", None))
    if cls is None:
        raise ValueError(f"not a control message: {line[:80]!r}")
    if cls is StartWorker:
        fields["channel_fds"] = tuple(fields["channel_fds"])
        fields["remote_models"] = tuple(fields["remote_models"])
    if cls is WorkerReady:
        fields["models"] = tuple(fields["models"])
        fields["remote_methods"] = tuple(fields["remote_methods"])
        fields["methods"] = tuple(
            MethodInfo(**{**method, "inputs": tuple(method["inputs"]), "outputs": tuple(method["outputs"])})
            for method in fields["methods"]
        )
    return cls(**fields)


class MessageReader:
    """Splits the byte stream of a control socket into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that are complete now that `data` has come."""
        self._buffer += data
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = bytearray(rest)
        return [decode(bytes(line)) for line in lines]


def receive_message(control: socket.socket, reader: MessageReader) -> Message | None:
    """Blocks for the next messages and returns the first; None at end of file. For the worker's first message only."""
    while True:
        data = control.recv(65536)
        if not data:
            return None
        messages = reader.feed(data)
        if messages:
            return messages[0]
