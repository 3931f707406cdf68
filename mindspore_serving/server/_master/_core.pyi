"""The master's C++ half: channels, the dispatcher and the gRPC front end. No method takes the GIL while it waits."""

from collections.abc import Sequence

def set_up_log(level: int, console_level: int, file: str, process_name: str) -> None:
    """Where the lines of this module go, as `log.native_settings()` says."""

class Channel:
    """The master's end of the shared memory that connects it with one worker.

    Raises `OSError` when memory cannot be had."""

    def __init__(self, request_bytes: int = ..., reply_bytes: int = ..., ring_entries: int = ...) -> None: ...
    def peer_fds(self) -> list[int]:
        """The descriptors a worker must inherit, in the order it attaches them."""
    def close(self) -> None: ...

class Dispatcher:
    """Admits requests, spreads their instances over the workers, and completes each call exactly once. Thread-safe."""

    def __init__(self, max_enqueued_requests: int = 10000) -> None: ...
    max_enqueued_requests: int
    def declare_servable(self, servable: str) -> None:
        """Its workers are going to start: health checks know its name from now on."""
    def add_worker(
        self,
        channel: Channel,
        servable: str,
        version: int,
        methods: Sequence[tuple[str, Sequence[str], Sequence[str], int, int, bool]],
        own_device: bool,
        label: str,
        remote_methods: Sequence[str] = (),
        process: int = -1,
    ) -> int:
        """A worker that is READY gets traffic from now on; returns its number.

        Args:
            methods: name, inputs, outputs, lane, credit, only_model_stages, in the worker's order.
            label: names the worker in error texts.
            remote_methods: the internal methods that a worker without device calls, in its order.
            process: a pidfd (duplicated here); the worker is killed through it when what it writes makes no sense.
        """
    def drain_worker(self, worker: int) -> None:
        """No new instances for it; what runs there goes on."""
    def remove_worker(self, worker: int, end: str = "") -> None:
        """It is gone: its unfinished instances run again elsewhere or are answered. Its channel is closed. Until
        `set_starting` is called after it, a replacement is taken to be starting."""
    def set_starting(self, servable: str, version: int, workers: int) -> None:
        """How many workers of it are starting. With 0 and none ready, waiting requests are answered code 5 at once."""
    def fail_waiting(self, servable: str, version: int) -> None:
        """Nobody came in time: answers the requests that wait for a worker, code 5."""
    def worker_load(self, worker: int) -> tuple[int, int, float]:
        """Instances in flight, instances completed, seconds since it last completed one (or since it got work)."""
    def look_at_memory(self, worker: int) -> tuple[int, int]:
        """Of the memory for its inputs: the bytes that were in use before the call before last already, by no instance
        that runs now; and all bytes."""
    def set_json_limits(self, max_instances: int, max_name_bytes: int, max_json_depth: int) -> None:
        """What RESTful requests may hold from now on."""
    def check_target(self, servable: str, method: str, version: int) -> tuple[int, str]:
        """HTTP status and text of what refuses a request whatever its content is, such as an unknown name; else
        200."""
    def submit_json(self, servable: str, method: str, version: int, body: bytes) -> int:
        """Starts a RESTful call; the result comes through `take_completions` under the number returned."""
    def cancel(self, call: int) -> None:
        """Nobody waits for that RESTful call any more; it will not be reported."""
    def completion_fd(self) -> int:
        """Readable while RESTful calls are complete."""
    def take_completions(self) -> list[tuple[int, int, bytes]]:
        """Call number, HTTP status, JSON body of each RESTful call that completed since the last time."""
    def give_memory_back(self) -> None:
        """Gives free heap memory to the system, unless requests are in progress."""
    @property
    def in_flight(self) -> int:
        """Public requests admitted and not yet answered."""
    def stop(self) -> None:
        """Answers everything that is queued or in flight ("servable is not available") and refuses what comes later."""

class GrpcServer:
    """The public gRPC end point (`MSService.Predict`) on threads of its own.

    Raises `RuntimeError` when the address cannot be bound. `tls`: certificate chain, private key and authorities of the
    clients, each PEM; without authorities no client shows a certificate."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        address: str,
        max_message_bytes: int,
        tls: tuple[bytes, bytes, bytes] | None = None,
        *,
        max_buffered_bytes: int,
        max_instances: int,
        max_name_bytes: int,
        max_metadata_bytes: int,
        handshake_timeout_s: float,
        idle_timeout_s: float,
    ) -> None: ...
    @property
    def port(self) -> int:
        """The port listened on; 0 for a unix socket."""
    def stop(self, grace_s: float) -> None:
        """Stops accepting, lets calls in flight finish for at most `grace_s` seconds, then ends them."""

class SignalWatch:
    """Catches signals at C level, in whatever state the interpreter is, and tells of them through a descriptor."""

    def __init__(self, signals: Sequence[int]) -> None: ...
    def fileno(self) -> int: ...
    def take(self) -> list[int]:
        """The signals that came since the last time."""
    def restore(self) -> None:
        """Puts the dispositions back that were there before. Idempotent."""
