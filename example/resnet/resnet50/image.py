"""Pictures as ResNet-50 takes them; the export script uses the same function as the server."""

import io

import numpy as np
from PIL import Image

SIZE = 224
_RESIZED = 256
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)


def to_input(jpeg: bytes) -> np.ndarray:
    """A picture file of any size as float32 of shape (3, SIZE, SIZE), normalised in each colour.

    The shorter side is brought to 256 pixels, and the square in the middle is taken.
    """
    with Image.open(io.BytesIO(jpeg)) as picture:
        picture = picture.convert("RGB")
        scale = _RESIZED / min(picture.size)
        picture = picture.resize([round(side * scale) for side in picture.size], Image.Resampling.BILINEAR)
        left, top = [(side - SIZE) // 2 for side in picture.size]
        pixels = np.asarray(picture.crop((left, top, left + SIZE, top + SIZE)), np.float32)
    return np.ascontiguousarray(((pixels / 255 - _MEAN) / _STD).transpose(2, 0, 1))
