"""Pictures as LeNet takes them; the training uses the same function as the server."""

import io

import numpy as np
from PIL import Image

SIZE = 32


def to_input(png: bytes) -> np.ndarray:
    """A picture file of any size as float32 of shape (1, SIZE, SIZE): 0 is the black background, 1 the white digit."""
    with Image.open(io.BytesIO(png)) as picture:
        picture = picture.convert("L").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        return np.asarray(picture, np.float32)[np.newaxis] / 255
