"""Damage to messages, chosen by a generator."""

from __future__ import annotations

import random


def damaged(message: bytes, generator: random.Random) -> bytes:
    """The message with one to four bytes changed, taken out, put in, or its end cut off."""
    data = bytearray(message)
    for _ in range(generator.randint(1, 4)):
        if len(data) < 2:
            break
        place = generator.randrange(len(data))
        what = generator.randrange(5)
        if what == 0:
            data[place] = generator.randrange(256)
        elif what == 1:
            data[place] ^= 1 << generator.randrange(8)
        elif what == 2:
            del data[place]
        elif what == 3:
            data.insert(place, generator.choice(b'\x00\x01\x7f\x80\xff"[]{}:,\\'))
        else:
            del data[max(place, 1) :]
    return bytes(data)
