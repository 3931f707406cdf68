"""Trains LeNet-5 on scikit-learn's handwritten digits, in some seconds, and exports it as ../lenet/1/lenet.mindir.

Also writes ../sample.png, one of the digits that were held out, for the curl call of the README.
"""

import os
import sys
from pathlib import Path

# With AVX-512, the oneDNN inside MindSpore would fall back to its slow reference convolutions.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")

import mindspore as ms
import numpy as np
from mindspore import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from digits import png_digits
from lenet.image import SIZE, to_input

EXAMPLE = Path(__file__).resolve().parents[1]
EPOCHS = 6
BATCH_SIZE = 32


class LeNet5(nn.Cell):
    """Takes pictures of shape (N, 1, 32, 32) and gives the scores (N, 10) of the digits."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, pad_mode="valid", weight_init="HeUniform")
        self.conv2 = nn.Conv2d(6, 16, 5, pad_mode="valid", weight_init="HeUniform")
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)
        self.relu = nn.ReLU()
        self.flatten = nn.Flatten()
        self.fc1 = nn.Dense(16 * 5 * 5, 120)
        self.fc2 = nn.Dense(120, 84)
        self.fc3 = nn.Dense(84, 10)

    def construct(self, x):
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x)))
        x = self.relu(self.fc1(self.flatten(x)))
        return self.fc3(self.relu(self.fc2(x)))


def train(network: nn.Cell) -> None:
    """Trains on all digits that are not held out; prints the mean loss of each epoch."""
    pngs, labels = png_digits(held_out=False)
    pictures = np.stack([to_input(png) for png in pngs])
    loss = nn.SoftmaxCrossEntropyWithLogits(sparse=True, reduction="mean")
    optimizer = nn.AdamWeightDecay(network.trainable_params(), learning_rate=2e-3)
    step = nn.TrainOneStepCell(nn.WithLossCell(network, loss), optimizer)
    step.set_train()
    generator = np.random.default_rng(seed=1)
    for epoch in range(EPOCHS):
        order = generator.permutation(len(labels))
        batches = [order[i : i + BATCH_SIZE] for i in range(0, len(order) - BATCH_SIZE + 1, BATCH_SIZE)]
        losses = [step(ms.Tensor(pictures[b]), ms.Tensor(labels[b].astype(np.int32))).asnumpy() for b in batches]
        print(f"epoch {epoch + 1}: mean loss {np.mean(losses):.4f}")


def accuracy(network: nn.Cell) -> float:
    """The share of the held-out digits that are recognised."""
    pngs, labels = png_digits(held_out=True)
    network.set_train(False)
    scores = network(ms.Tensor(np.stack([to_input(png) for png in pngs]))).asnumpy()
    return float(np.mean(scores.argmax(axis=1) == labels))


def export(network: nn.Cell, file: Path) -> None:
    """Writes the model with an open batch dimension: the server batches as many digits as are waiting."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pictures = ms.Tensor(shape=[None, 1, SIZE, SIZE], dtype=ms.float32)
    ms.export(network, pictures, file_name=str(file), file_format="MINDIR")


def main() -> None:
    """Trains, exports and says how good the model is."""
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
    ms.set_seed(1)
    network = LeNet5()
    train(network)
    print(f"accuracy on the held-out digits: {accuracy(network):.3f}")
    export(network, EXAMPLE / "lenet" / "1" / "lenet.mindir")
    (EXAMPLE / "sample.png").write_bytes(png_digits(held_out=True)[0][3])
    print(f"exported {EXAMPLE / 'lenet' / '1' / 'lenet.mindir'}")


if __name__ == "__main__":
    main()
