"""Load generators outside Python: h2load (gRPC), wrk (HTTP). Both keep N connections, one request in flight on each."""

from __future__ import annotations

import dataclasses
import re
import struct
import subprocess
from pathlib import Path

from ..harness.protocol import PREDICT

_TIME_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
_CALIBRATION_S = 0.1


@dataclasses.dataclass(frozen=True)
class Sample:
    """What one round measured."""

    per_s: float
    """Requests (or instances, or calls) a second."""
    mean_s: float
    """Mean time of one request."""


class GrpcLoad:
    """The same unary call over and over. Every reply must have the size of the one that a real client got before."""

    def __init__(self, address: str, message: bytes, reply_bytes: int, folder: Path, tls: bool = False) -> None:
        self._url = f"{'https' if tls else 'http'}://{address}{PREDICT}"
        self._reply_bytes = reply_bytes + 5
        self._rates: dict[int, float] = {}
        self._file = folder / f"request-{address.rpartition(':')[2]}-{len(message)}"
        self._file.write_bytes(b"\0" + struct.pack(">I", len(message)) + message)

    def measure(self, in_flight: int, seconds: float) -> Sample:
        """About `seconds` of load: the rate of the last round, or of a calibration, tells how many requests that is."""
        if in_flight not in self._rates:
            self._calibrate(in_flight)
        sample = self._run(max(int(self._rates[in_flight] * seconds), in_flight), in_flight)
        self._rates[in_flight] = sample.per_s
        return sample

    def _calibrate(self, in_flight: int) -> None:
        requests = in_flight
        while requests / (rate := self._run(requests, in_flight).per_s) < _CALIBRATION_S:
            requests *= 4
        self._rates[in_flight] = rate

    def _run(self, requests: int, in_flight: int) -> Sample:
        command = ["h2load", "-t1", "-m1", f"-c{in_flight}", f"-n{requests}", f"-d{self._file}"]
        command += ["-Hcontent-type: application/grpc", "-Hte: trailers", self._url]
        output = _output(command)
        succeeded = int(_find(r"(\d+) succeeded", output))
        data_bytes = int(_find(r"\((\d+)\) data", output))
        # An error of any kind has another size: a gRPC status has no data, an error_msg is not as long as the result.
        if succeeded != requests or data_bytes != requests * self._reply_bytes:
            raise RuntimeError(f"some of {requests} replies are not of {self._reply_bytes} bytes:\n{output}")
        mean = re.search(r"time for request:\s+\S+\s+\S+\s+([\d.]+)(us|ms|s|m)\b", output)
        return Sample(float(_find(r"([\d.]+) req/s", output)), float(mean.group(1)) * _TIME_UNITS[mean.group(2)])


class HttpLoad:
    """The same POST over and over. Every answer must have status 200."""

    def __init__(self, address: str, path: str, body: bytes, folder: Path) -> None:
        self._url = f"http://{address}{path}"
        body_file = folder / "body.json"
        body_file.write_bytes(body)
        self._script = folder / "post.lua"
        self._script.write_text(
            'wrk.method = "POST"\n'
            'wrk.headers["Content-Type"] = "application/json"\n'
            f'wrk.body = io.open("{body_file}", "rb"):read("*a")\n'
        )

    def measure(self, in_flight: int, seconds: float) -> Sample:
        """`seconds` of load."""
        output = _output(
            ["wrk", "-t1", f"-c{in_flight}", f"-d{max(round(seconds), 1)}s", f"-s{self._script}", self._url]
        )
        if "Non-2xx" in output or "Socket errors" in output:
            raise RuntimeError(f"some answers failed:\n{output}")
        rate = float(_find(r"Requests/sec:\s+([\d.]+)", output))
        # Little's law: wrk's own average is at the mercy of single outliers.
        return Sample(rate, in_flight / rate)


def _output(command: list[str]) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}")
    return done.stdout


def _find(pattern: str, output: str) -> str:
    match = re.search(pattern, output)
    if match is None:
        raise RuntimeError(f"no {pattern!r} in:\n{output}")
    return match.group(1)
