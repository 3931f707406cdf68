"""Writes the inputs that fuzzing starts from: `python3 tests/fuzz/seeds.py FOLDER` fills FOLDER/<target>/.

The recorded requests of tests/contract/golden, some texts that reach what those do not, and random bytes for the
targets that take their inputs as decisions. Needs nothing but Python.
"""

from __future__ import annotations

import random
import struct
import sys
from pathlib import Path

_GOLDEN = Path(__file__).resolve().parents[1] / "contract" / "golden"
_DECIDING = ("protobuf_reply", "json_reply", "channel", "dispatcher")

_JSON = [
    '{"instances":[{"x":9223372036854775808},{"y":99999999999999999999}]}',
    '{"instances":[{"x":{"b64":"","type":"int8","shape":[4294967296,4294967296,0]}}]}',
    '{"instances":{"x":{"b64":"AAAAAA==","type":"float32","shape":[1,1]}},"ignored":[null,{"a":"\\ud800\\udc00"}]}',
    '{"instances":[{"x":[[[1.5,-2e-3],[0.0,1E+5]]],"y":[{"b64":"YQ==","type":"str"}]},{"x":true}]}',
    '{"a":' + "[" * 60 + "]" * 60 + ',"instances":{"x":[' + "[" * 30 + "1" + "]" * 30 + "]}}",
    '{"instances":[{"x":[[1.5,-0.25,1e-3],[16777217.0, 123456789.123456789, 3.4028235e38]],'
    + '"y":[1,-2147483648, 0, 2147483647, 12]},{"x":[[0.1,0.2,0.30000000000000004e5,1e-45]],"note":"\\\\\\""}]}',
    '{"instances":{"x":{"b64":"AAAAAA==","type":"float32","shape":[1,'
    + " " * 99
    + '1]},"y":[1.5,'
    + " " * 99
    + "2.5]}}",
    '{"instances":{"x":"\\u00e9\\b\\f\\n\\r\\t\\/\\\\","x":"twice","":0}}',
]
_BASE64 = ["", "AA==", "AAA=", "AAAA", "+/+/", "QUJD", "====", "=AAA", "A===", "AAAAA", "\x80AAA", "YWJjZGVmZ2hpag=="]


def _recorded(file: str, mark: str = "> ") -> list[str]:
    return [line[2:] for line in (_GOLDEN / file).read_text().splitlines() if line.startswith(mark)]


def _block(place: bytes, *tensors: tuple[int, tuple[int, ...], int], error: bytes = b"", shift: int = 0) -> bytes:
    """A block (shm/block.h) behind the bytes that say where it lies; tensors are dtype, dims, size in bytes.

    `shift` moves where the data is said to lie.
    """
    header = struct.pack("<IIIIq", 0x4B4C4253, len(tensors), 1 if error else 0, len(error), 2 if error else 0)
    data_at = len(header) + sum(32 + 8 * len(dims) for _, dims, _ in tensors)
    records = b""
    for dtype, dims, size in tensors:
        data_at = -(-data_at // 64) * 64
        records += struct.pack(f"<IIIIQQ{len(dims)}q", dtype, len(dims), 1, 0, data_at + shift, size, *dims)
        data_at += min(size, 64)
    return place + (header + records + error).ljust(data_at, b"\0")


def seeds() -> dict[str, list[bytes]]:
    """The inputs by target."""
    generator = random.Random(4)
    in_reply_segment = bytes([1, 0, 0, 0])
    found = {
        "protobuf_request": [bytes.fromhex(text) for text in _recorded("protobuf.txt")],
        "protobuf_client": [bytes.fromhex(text) for text in _recorded("protobuf.txt", "< ")],
        "services": [b"\x0a\x00", b"\x3a\x00", b"\x22\x06Tensor", b"\x2a\x04\x0a\x00\x10\x01", b"\x1a\x01x"],
        "json_request": [text.encode() for text in [*_recorded("json.txt"), *_JSON]],
        "base64": [text.encode("latin-1") for text in _BASE64],
        "block": [
            _block(in_reply_segment, (11, (2, 3), 24), (13, (), 5), (8, (0,), 0)),
            _block(in_reply_segment, (3, (2**63 - 64,), 2**63 - 64), shift=2**63),  # it ends past 64 bits
            _block(bytes([0, 0, 1, 1, 0, 16]), (3, (2**63 - 64,), 2**63 - 64), shift=2**63),
            _block(in_reply_segment, error=b"what went wrong"),
        ],
    }
    for target in _DECIDING:
        found[target] = [generator.randbytes(8 << count) for count in range(6)]
    return found


def main() -> int:
    """Writes each input to a file that is named by its number."""
    for target, inputs in seeds().items():
        folder = Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(inputs):
            (folder / f"seed-{number:03}").write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
