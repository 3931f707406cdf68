"""A gRPC call as bytes on a connection, and bytes that are no such thing, for clients that stop anywhere."""

from __future__ import annotations

import random
import struct

from .protocol import PREDICT

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
_END_STREAM, _END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def opening() -> bytes:
    """How a client begins."""
    return PREFACE + frame(SETTINGS, 0, 0, b"")


def head(stream: int, path: str) -> bytes:
    """What a call begins with."""
    fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "test"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]
    return frame(
        HEADERS, _END_HEADERS, stream, b"".join(_literal(name.encode(), value.encode()) for name, value in fields)
    )


def call(message: bytes, stream: int = 1, path: str = PREDICT) -> bytes:
    """A whole unary call."""
    body = struct.pack(">BI", 0, len(message)) + message
    pieces = [body[start : start + 16384] for start in range(0, len(body), 16384)]
    frames = [
        frame(DATA, _END_STREAM if number + 1 == len(pieces) else 0, stream, piece)
        for number, piece in enumerate(pieces)
    ]
    return head(stream, path) + b"".join(frames)


def nonsense(generator: random.Random) -> bytes:
    """What no client sends: random bytes, unknown or wrong frames, floods, wrong lengths."""
    some = generator.randbytes(generator.randrange(1, 200))
    stream = generator.choice((0, 1, 2, 3, 2**31 - 1))
    return generator.choice(
        [
            some,
            PREFACE[: generator.randrange(len(PREFACE))] + some,
            opening() + some,
            opening() + frame(generator.randrange(256), generator.randrange(256), stream, some),
            opening() + frame(HEADERS, _END_HEADERS, 1, some),
            opening() + frame(HEADERS, 0, 1, b"") + frame(CONTINUATION, 0, 1, b"") * 50,
            opening() + frame(SETTINGS, 0, 0, some),
            opening() + frame(SETTINGS, 0, 0, b"") * 100,
            opening() + frame(PING, 0, 0, b"12345678") * 100,
            opening() + frame(WINDOW_UPDATE, 0, stream, b"\x7f\xff\xff\xff") * 2,
            opening() + frame(GOAWAY, 0, 0, b"\0" * 8),
            opening() + struct.pack(">I", 2**24 - 1)[1:] + b"\0\0\0\0\0\1" + some,
            opening() + b"".join(call(some, n) + frame(RST_STREAM, 0, n, b"\0\0\0\x08") for n in range(1, 40, 2)),
            opening() + call(some, 1, "/no/such/method"),
            opening() + call(some, generator.choice((2, 4))),
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        ]
    )


def _literal(name: bytes, value: bytes) -> bytes:
    """A header that is not to be remembered, without any compression."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
