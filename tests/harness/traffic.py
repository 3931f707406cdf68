"""Requests that go on while a test does something to the server; every call is accounted for."""

from __future__ import annotations

import threading
from types import TracebackType

import grpc
import numpy as np

from .grpc_client import GrpcClient
from .waiting import wait_until


class Traffic:
    """Threads that send one instance after the other to `<servable>.echo` over gRPC. Use as a context manager.

    Each call ends as exactly one of: `right` (the value came back), an entry of `errors` (an answer with an error), or
    of `refused` (a gRPC status). A wrong value is an entry of `wrong`; a call that gets no answer in 30 s is in `hung`.
    """

    def __init__(self, address: str, servable: str, threads: int = 4) -> None:
        self.right = 0
        self.errors: list[tuple[int, str]] = []
        self.refused: list[grpc.StatusCode] = []
        self.wrong: list[str] = []
        self.hung = 0
        self._address, self._servable = address, servable
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(threads)]

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        if kind is None:
            assert not self.wrong, self.wrong[:5]
            assert not self.hung, f"{self.hung} calls were never answered"

    def wait_for_more(self, count: int = 20, timeout_s: float = 20.0) -> None:
        """Waits until `count` more calls than now came back right."""
        target = self.right + count
        wait_until(lambda: self.right >= target, f"{count} more right answers (errors: {self.errors[-3:]})", timeout_s)

    def _run(self, number: int) -> None:
        with GrpcClient(self._address) as client:
            value = number * 1_000_000
            while not self._ending.is_set():
                value += 1
                self._call(client, np.int64(value))

    def _call(self, client: GrpcClient, value: np.int64) -> None:
        try:
            reply = client.call(self._servable, "echo", {"x": value})
        except grpc.RpcError as error:
            with self._lock:
                if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                    self.hung += 1
                else:
                    self.refused.append(error.code())
            self._ending.wait(0.01)  # nobody is there; do not spin
            return
        with self._lock:
            if reply.errors:
                self.errors.append(reply.error)
            elif reply.instances[0]["y"] == value:
                self.right += 1
            else:
                self.wrong.append(f"sent {value}, got {reply.instances}")
