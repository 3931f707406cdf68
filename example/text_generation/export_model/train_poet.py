"""Trains a small transformer to write the lines of poem.py, and exports it as ../poet/1/poet.mindir, in some seconds.

Its vocabulary becomes ../poet/vocabulary.txt.
"""

import sys
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import nn, ops

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from poem import POEM
from poet.tokenizer import END_TOKEN, PADDING, Tokenizer, padding

EXAMPLE = Path(__file__).resolve().parents[1]
LENGTH = 16
WIDTH = 64
STEPS = 150
_FAR = -1e4


class Poet(nn.Cell):
    """One transformer block: token ids (N, LENGTH) and mask (N, LENGTH; 1 for words) in, scores of the next words out.

    The scores have the shape (N, LENGTH, vocabulary): at each place those of the word that follows.
    """

    def __init__(self, vocabulary: int):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, WIDTH, embedding_table="normal")
        self.places = ms.Parameter(ms.Tensor(np.random.default_rng(1).normal(0, 0.02, (LENGTH, WIDTH)), ms.float32))
        self.query, self.key, self.value = nn.Dense(WIDTH, WIDTH), nn.Dense(WIDTH, WIDTH), nn.Dense(WIDTH, WIDTH)
        self.up, self.down = nn.Dense(WIDTH, 4 * WIDTH), nn.Dense(4 * WIDTH, WIDTH)
        self.norm1, self.norm2 = nn.LayerNorm((WIDTH,)), nn.LayerNorm((WIDTH,))
        self.scores = nn.Dense(WIDTH, vocabulary)
        self.product, self.product_transposed = ops.BatchMatMul(), ops.BatchMatMul(transpose_b=True)
        self.softmax, self.relu = ops.Softmax(-1), ops.ReLU()
        self.later = ms.Tensor(np.triu(np.full((1, LENGTH, LENGTH), _FAR), k=1), ms.float32)

    def construct(self, token_ids, mask):
        x = self.tokens(token_ids) + self.places
        y = self.norm1(x)
        hidden = self.later + (1.0 - mask).expand_dims(1) * _FAR
        attention = self.product_transposed(self.query(y), self.key(y)) * (WIDTH**-0.5) + hidden
        x = x + self.product(self.softmax(attention), self.value(y))
        x = x + self.down(self.relu(self.up(self.norm2(x))))
        return self.scores(x)


class Probabilities(nn.Cell):
    """What is exported: the network with its scores turned into probabilities."""

    def __init__(self, network: nn.Cell):
        super().__init__()
        self.network = network
        self.softmax = ops.Softmax(-1)

    def construct(self, token_ids, mask):
        return self.softmax(self.network(token_ids, mask))


class Loss(nn.Cell):
    """The mean cross entropy of the words, padding left out."""

    def __init__(self, network: nn.Cell):
        super().__init__()
        self.network = network
        self.cross_entropy = nn.SoftmaxCrossEntropyWithLogits(sparse=True)

    def construct(self, token_ids, mask, next_ids):
        scores = self.network(token_ids, mask)
        losses = self.cross_entropy(scores.reshape((-1, scores.shape[-1])), next_ids.reshape((-1,)))
        weights = mask.reshape((-1,))
        return (losses * weights).sum() / weights.sum()


def train(network: nn.Cell, tokenizer: Tokenizer) -> float:
    """Learns all lines at once in each step; returns the last loss."""
    lines = [[*tokenizer.encode(line), END_TOKEN] for line in POEM.splitlines()]
    token_ids = np.stack([padding(line[:-1], LENGTH) for line in lines])
    next_ids = np.stack([padding(line[1:], LENGTH) for line in lines])
    inputs = [ms.Tensor(a) for a in (token_ids, (token_ids != PADDING).astype(np.float32), next_ids)]
    optimizer = nn.AdamWeightDecay(network.trainable_params(), learning_rate=3e-3)
    step = nn.TrainOneStepCell(Loss(network), optimizer)
    step.set_train()
    for number in range(1, STEPS + 1):
        loss = float(step(*inputs).asnumpy())
        if number % 50 == 0:
            print(f"step {number}: loss {loss:.4f}")
    return loss


def export(network: nn.Cell, file: Path) -> None:
    """Writes the model with an open batch dimension."""
    file.parent.mkdir(parents=True, exist_ok=True)
    token_ids, mask = (ms.Tensor(shape=[None, LENGTH], dtype=dtype) for dtype in (ms.int32, ms.float32))
    network.set_train(False)
    ms.export(Probabilities(network), token_ids, mask, file_name=str(file), file_format="MINDIR")


def main() -> None:
    """Trains and exports."""
    ms.set_context(mode=ms.GRAPH_MODE)
    ms.set_device("CPU")
    ms.set_seed(1)
    tokenizer = Tokenizer.of_text(POEM)
    network = Poet(len(tokenizer.words))
    train(network, tokenizer)
    file = EXAMPLE / "poet" / "1" / "poet.mindir"
    export(network, file)
    tokenizer.save(EXAMPLE / "poet" / "vocabulary.txt")
    print(f"exported {file}")


if __name__ == "__main__":
    main()
