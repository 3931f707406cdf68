"""Pictures that the example draws itself, in twelve classes: plain, striped and dotted, in four colours."""

import io

import numpy as np
from PIL import Image

_COLOURS = {"red": (210, 40, 40), "green": (40, 160, 60), "blue": (50, 70, 210), "yellow": (225, 205, 40)}
_PATTERNS = ("area", "stripes", "dots")
CLASS_NAMES = [f"{colour} {pattern}" for colour in _COLOURS for pattern in _PATTERNS]


def draw(label: int, generator: np.random.Generator) -> bytes:
    """A JPEG file of class `label` (0 to 11); pattern width, place and shade and the picture's size are random."""
    colour, pattern = CLASS_NAMES[label].split()
    width, height = generator.integers(200, 320, 2)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    period = generator.integers(24, 40)
    x, y = (x + generator.integers(period)) % period, (y + generator.integers(period)) % period
    half = period / 2
    mask = {
        "area": x >= 0,
        "stripes": x < half,
        "dots": (x - half) ** 2 + (y - half) ** 2 < (0.3 * period) ** 2,
    }[pattern]
    background = 20 if pattern == "dots" else 235
    pixels = np.where(mask[..., np.newaxis], _COLOURS[colour], background) * generator.uniform(0.8, 1.0)
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def draw_all(count: int, seed: int) -> tuple[list[bytes], list[int]]:
    """`count` JPEG files of each class, and their labels."""
    generator = np.random.default_rng(seed)
    labels = [label for label in range(len(CLASS_NAMES)) for _ in range(count)]
    return [draw(label, generator) for label in labels], labels
