"""The functions that start and stop a server. Nothing of the master is imported before the first of them is called."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mindspore_serving import log
from mindspore_serving.server import checks
from mindspore_serving.server.config import ServableStartConfig, SSLConfig
from mindspore_serving.server.errors import AlreadyRunning, StartError
from mindspore_serving.server.limits import RequestLimits

if TYPE_CHECKING:
    from mindspore_serving.server._master.address import EndPoint
    from mindspore_serving.server._master.app import App, Listening
    from mindspore_serving.server._master.tls import Tls

_MIB = 1 << 20


class _Process:
    """The server of this process: at most one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._app: App | None = None
        self._pid = 0
        self._max_enqueued_requests = 10000

    def current(self) -> App | None:
        """The running server, if there is one."""
        app = self._app
        return app if app is not None and app.running and self._pid == os.getpid() else None

    def obtain(self) -> App:
        """The running server, or a new one once the previous has ended."""
        with self._lock:
            app = self.current()
            if app is not None:
                return app
            if self._app is not None and self._pid == os.getpid():
                self._app.stop()
            try:
                from mindspore_serving.server._master.app import App
            except ImportError as error:
                raise StartError(f"Serving Error: the server is not installed completely: {error}") from error
            self._app = App(self._max_enqueued_requests)
            self._pid = os.getpid()
            return self._app

    def stop(self) -> None:
        """Stops the running server. A forked child has none, whatever it inherited."""
        if self._app is not None and self._pid == os.getpid():
            self._app.stop()

    def set_max_enqueued_requests(self, limit: int) -> None:
        """For this server and all later ones."""
        self._max_enqueued_requests = limit
        app = self.current()
        if app is not None:
            app.set_max_enqueued_requests(limit)


_process = _Process()
# A process whose main function ends without servables ends; with servables this runs after the server's end.
atexit.register(_process.stop)


def start_servables(
    servable_configs: ServableStartConfig | Sequence[ServableStartConfig], enable_lite: bool = False
) -> None:
    """Starts the workers of one or more servables and returns when all of them are ready.

    The process then keeps serving after the end of the script, until `stop`, SIGINT, SIGTERM, or the end of all
    workers. A script that ends with an exception ends the server, and the process with code 1. `sys.exit(code)`, which
    Python tells nobody of, only sets the code that the process ends with later: call `stop` before it. Output of the
    workers goes to `serving_logs` in the working directory, or to the directory that SERVING_LOG_DIR names.

    Args:
        servable_configs (ServableStartConfig, or list or tuple of them): What to serve.
        enable_lite (bool): Run models with MindSpore Lite. Default False.

    Raises:
        RuntimeError: An argument is wrong, servables run already (they go on running), or a worker failed to start, in
            which case everything started before is stopped.

    Example:
        >>> from mindspore_serving import server
        >>> server.start_servables(server.ServableStartConfig("servables", "add", device_ids=0))
        >>> server.start_grpc_server("127.0.0.1:5500")
    """
    configs = _check_configs(servable_configs)
    checks.check_bool("enable_lite", enable_lite)
    with _logged_errors():
        running = _process.current()
        if running is not None:
            running.check_no_servables()
        specs = _plan(configs, enable_lite)
        app = _process.obtain()
        try:
            app.start_servables(specs)
        except AlreadyRunning:
            raise
        except BaseException:
            app.stop()
            raise


def start_grpc_server(
    address: str,
    max_msg_mb_size: int = 100,
    ssl_config: SSLConfig | None = None,
    *,
    limits: RequestLimits | None = None,
) -> None:
    """Starts the gRPC server, before or after the servables, and returns at once.

    Args:
        address (str): `<host>:<port>`, where port 0 lets the system choose, or `unix:<path>`, relative to the working
            directory. The line `Serving: Serving gRPC server start success, listening on <address>` on standard output
            tells the real one.
        max_msg_mb_size (int): Largest message in MiB, both ways, 1 to 512. Default 100.
        ssl_config (SSLConfig, optional): Speak TLS (1.2 or newer) only. Default None: no TLS.
        limits (RequestLimits, optional): What clients may send. Default None: `RequestLimits()`.

    Raises:
        RuntimeError: An argument or a file of `ssl_config` is wrong, the address cannot be used, or a gRPC server runs
            already (and goes on). For a file that is not there it is also a FileNotFoundError.

    Example:
        >>> server.start_grpc_server("127.0.0.1:5500")
        >>> server.start_grpc_server("127.0.0.1:5500", ssl_config=server.SSLConfig("server.crt", "server.key"))
    """
    _check_end_point(address, max_msg_mb_size, ssl_config, limits)
    from mindspore_serving.server._master.address import GRPC

    with _logged_errors():
        listening = _listening(GRPC, address, max_msg_mb_size, ssl_config, limits)
        app = _process.obtain()
        try:
            listens_on = app.start_grpc_server(listening)
        except BaseException:
            app.stop_if_idle()
            raise
    _announce("Serving gRPC", listens_on)


def start_restful_server(
    address: str,
    max_msg_mb_size: int = 100,
    ssl_config: SSLConfig | None = None,
    always_200: bool = False,
    *,
    limits: RequestLimits | None = None,
) -> None:
    """Starts the RESTful server, before or after the servables, and returns at once.

    Args:
        address (str): `<host>:<port>`; port 0 lets the system choose. The line `Serving: Serving RESTful server start
            success, listening on <address>` on standard output tells the real one.
        max_msg_mb_size (int): Largest body of a request in MiB, 1 to 512. Default 100.
        ssl_config (SSLConfig, optional): Speak HTTPS (TLS 1.2 or newer) only. Default None: HTTP.
        always_200 (bool): Answer requests that fail with status 200, for clients that look into the body only. Default
            False: they have their status (400, 404, 405, 408, 413, 429, 500, 503, 504). What is no request keeps its
            status (malformed HTTP 400; a head that comes too slowly 408 or is too long 431; a connection too many 503),
            and so does a failure of the RESTful server itself (500).
        limits (RequestLimits, optional): What clients may send. Default None: `RequestLimits()`.

    Raises:
        RuntimeError: An argument or a file of `ssl_config` is wrong, the address cannot be used, or a RESTful server
            runs already (and goes on). For a file that is not there it is also a FileNotFoundError.

    Example:
        >>> server.start_restful_server("127.0.0.1:1500")
    """
    _check_end_point(address, max_msg_mb_size, ssl_config, limits)
    checks.check_bool("always_200", always_200)
    from mindspore_serving.server._master.address import RESTFUL

    with _logged_errors():
        listening = _listening(RESTFUL, address, max_msg_mb_size, ssl_config, limits)
        app = _process.obtain()
        try:
            listens_on = app.start_restful_server(listening, always_200)
        except BaseException:
            app.stop_if_idle()
            raise
    _announce("Serving RESTful", listens_on)


def stop() -> None:
    """Stops the servers and all workers and returns when nothing of them is left; at most about ten seconds.

    Requests under way get two seconds to finish, the others are answered with an error. May be called in any state,
    from any thread, more than once; afterwards a server can be started again.

    Example:
        >>> server.stop()
    """
    _process.stop()


def set_max_enqueued_requests(max_enqueued_requests: int) -> None:
    """See `mindspore_serving.server.master.context`."""
    checks.check_int("max_enqueued_requests", max_enqueued_requests, 1)
    if max_enqueued_requests >= 1 << 32:
        raise RuntimeError(f"Parameter 'max_enqueued_requests' should be < 2**32, but actually {max_enqueued_requests}")
    _process.set_max_enqueued_requests(max_enqueued_requests)


@contextlib.contextmanager
def _logged_errors() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        log.error("%s", error)
        raise


def _announce(name: str, address: str) -> None:
    """The line that scripts wait for."""
    log.info("%s server listens on %s", name, address)
    print(f"Serving: {name} server start success, listening on {address}", flush=True)


def _check_configs(servable_configs: Any) -> tuple[ServableStartConfig, ...]:
    if isinstance(servable_configs, ServableStartConfig):
        return (servable_configs,)
    wanted = "Parameter 'servable_configs' should be ServableStartConfig, list or tuple of ServableStartConfig"
    if not isinstance(servable_configs, (tuple, list)):
        raise RuntimeError(f"{wanted}, but actually {type(servable_configs)}")
    if not servable_configs:
        raise RuntimeError(f"{wanted}, but actually it is empty")
    for config in servable_configs:
        if not isinstance(config, ServableStartConfig):
            raise RuntimeError(f"{wanted}, but an item is {type(config)}")
    return tuple(servable_configs)


def _plan(configs: Sequence[ServableStartConfig], enable_lite: bool) -> Any:
    """The workers to start. Nothing runs yet, so its errors leave everything as it is."""
    from mindspore_serving.server._master.device_probe import resolve_device_types
    from mindspore_serving.server._master.launch import plan_workers
    from mindspore_serving.server._master.merging import merge_configs

    servables = resolve_device_types(merge_configs(configs), enable_lite)
    return plan_workers(servables, enable_lite)


def _check_end_point(address: Any, max_msg_mb_size: Any, ssl_config: Any, limits: Any) -> None:
    checks.check_str("address", address)
    checks.check_int("max_msg_mb_size", max_msg_mb_size, 1, 512)
    if ssl_config is not None and not isinstance(ssl_config, SSLConfig):
        raise RuntimeError(f"The type of ssl_config should be SSLConfig, but actually {type(ssl_config)}")
    if limits is not None and not isinstance(limits, RequestLimits):
        raise RuntimeError(f"Parameter 'limits' should be RequestLimits, but actually {type(limits)}")


def _listening(
    end_point: EndPoint, address: str, max_msg_mb_size: int, ssl_config: SSLConfig | None, limits: RequestLimits | None
) -> Listening:
    """What the master is told. Nothing runs yet, so its errors leave everything as it is."""
    from mindspore_serving.server._master.address import parse_address
    from mindspore_serving.server._master.app import Listening

    parsed = parse_address(end_point, address)
    tls = _load_tls(end_point, address, ssl_config)
    return Listening(parsed, address, max_msg_mb_size * _MIB, tls, limits or RequestLimits())


def _load_tls(end_point: EndPoint, address: str, ssl_config: SSLConfig | None) -> Tls | None:
    """The certificates, checked; None without any."""
    if ssl_config is None:
        return None
    from mindspore_serving.server._master.tls import load_tls

    return load_tls(end_point, address, ssl_config)
