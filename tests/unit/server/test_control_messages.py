"""The messages of the control socket."""

from __future__ import annotations

import socket

import pytest

from mindspore_serving.server.control_messages import (
    MessageReader,
    MethodInfo,
    StartWorker,
    StopWorker,
    WorkerFailed,
    WorkerLeaving,
    WorkerReady,
    decode,
    encode,
    receive_message,
)

START = StartWorker("/servables", "add", 2, "cpu", 0, None, True, False, (4, 5, 6), 3, dec_key_fd=7)
MESSAGES = [
    START,
    StartWorker("/servables", "add", 0, "none", None, 1, False, True, (), 1),
    WorkerReady(1, (MethodInfo("m", ("x1", "x2"), ("y",), 0, 8, False),), ({"key": "a.mindir"},)),
    WorkerFailed("Load model failed\nline two \u00e4"),
    WorkerLeaving("SIGTERM"),
    StopWorker(),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_round_trip(message):
    line = encode(message)
    assert line.count(b"\n") == 1
    assert decode(line) == message


@pytest.mark.parametrize("line", [b'{"type":"Other"}', b"{}", b"not json"])
def test_anything_else_is_refused(line):
    with pytest.raises(ValueError, match=r"not a control message|Expecting"):
        decode(line)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_messages_may_come_in_pieces(size):
    stream = b"".join(encode(message) for message in MESSAGES)
    reader = MessageReader()
    received = [message for at in range(0, len(stream), size) for message in reader.feed(stream[at : at + size])]
    assert received == MESSAGES


def test_receive_message():
    here, there = socket.socketpair()
    with here, there:
        here.sendall(encode(START))
        assert receive_message(there, MessageReader()) == START
        here.shutdown(socket.SHUT_WR)
        assert receive_message(there, MessageReader()) is None
