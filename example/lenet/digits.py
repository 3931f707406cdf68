"""scikit-learn's handwritten digits as PNG files, a fifth of them held out from the training."""

import io

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

_EVERY = 5


def png_digits(held_out: bool) -> tuple[list[bytes], np.ndarray]:
    """PNG files of 8 x 8 grey pixels and their labels 0 to 9: the held-out digits, or those for the training."""
    data = load_digits()
    chosen = (np.arange(len(data.target)) % _EVERY == 0) == held_out
    return [_to_png(image) for image in data.images[chosen]], data.target[chosen]


def _to_png(image: np.ndarray) -> bytes:
    """`image` has the values 0 to 16."""
    file = io.BytesIO()
    Image.fromarray((image * 15).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()
