"""Makes a ResNet-50 that tells the pictures of ../pictures.py apart, and exports it as ../resnet50/1/resnet50.mindir.

The convolutions keep the random weights of a fixed seed; only the dense layer is fitted, to the features they give for
a few pictures of each class. The names of the classes go to ../resnet50/class_names.txt,
and a picture for the curl call of the README to ../sample.jpg.
"""

import argparse
import os
import sys
from pathlib import Path

# With AVX-512, the oneDNN inside MindSpore would fall back to its slow reference convolutions.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")

import mindspore as ms
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from network import ResNet50, ResNet50Features
from pictures import CLASS_NAMES, draw, draw_all
from resnet50.image import SIZE, to_input

EXAMPLE = Path(__file__).resolve().parents[1]
PICTURES_PER_CLASS = 2
_REGULARISATION = 0.01
_SHARPNESS = 10.0
"""Score of the right class; the others are near 0."""


def make_model() -> ResNet50:
    """Random features of a fixed seed, and a dense layer fitted to them by ridge regression."""
    ms.set_seed(1)
    network = ResNet50(ResNet50Features(), len(CLASS_NAMES))
    network.set_train(False)
    jpegs, labels = draw_all(PICTURES_PER_CLASS, seed=1)
    features = np.stack([network.features(ms.Tensor(to_input(jpeg)[np.newaxis])).asnumpy()[0] for jpeg in jpegs])
    mean, deviation = features.mean(axis=0), features.std()
    z = (features - mean) / deviation
    targets = np.eye(len(CLASS_NAMES))[labels] * _SHARPNESS
    kernel = z @ z.T
    kernel += _REGULARISATION * np.mean(np.diag(kernel)) * np.eye(len(z))
    weight = np.linalg.solve(kernel, targets - targets.mean(axis=0)).T @ z / deviation
    network.dense.weight.set_data(ms.Tensor(weight.astype(np.float32)))
    network.dense.bias.set_data(ms.Tensor((targets.mean(axis=0) - weight @ mean).astype(np.float32)))
    return network


def export(network: ResNet50, file: Path, batch_size: int) -> None:
    """Writes the model; `batch_size` 0 leaves the batch dimension open."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pictures = ms.Tensor(shape=[batch_size or None, 3, SIZE, SIZE], dtype=ms.float32)
    if batch_size:
        pictures = ms.Tensor(np.zeros((batch_size, 3, SIZE, SIZE), np.float32))
    ms.export(network, pictures, file_name=str(file), file_format="MINDIR")


def main() -> None:
    """Makes the model, exports it and writes the sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=0, help="fixed batch size; 0, the default: any")
    batch_size = parser.parse_args().batch_size
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
    file = EXAMPLE / "resnet50" / "1" / "resnet50.mindir"
    export(make_model(), file, batch_size)
    (EXAMPLE / "resnet50" / "class_names.txt").write_text("\n".join(CLASS_NAMES))
    (EXAMPLE / "sample.jpg").write_bytes(draw(CLASS_NAMES.index("blue dots"), np.random.default_rng(seed=2)))
    print(f"exported {file}")


if __name__ == "__main__":
    main()
