"""ResNet-50, as published: bottleneck blocks with the stride in the 3 x 3 convolution."""

from mindspore import nn

_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Width, number of blocks and stride of each stage."""
_EXPANSION = 4
FEATURES = _STAGES[-1][0] * _EXPANSION


def _convolution(channels_in: int, channels_out: int, size: int, stride: int = 1, gamma: float = 1.0) -> nn.Cell:
    """A convolution without bias and its normalisation."""
    padding = size // 2
    convolution = nn.Conv2d(
        channels_in, channels_out, size, stride, pad_mode="pad", padding=padding, weight_init="HeNormal"
    )
    return nn.SequentialCell(convolution, nn.BatchNorm2d(channels_out, gamma_init=gamma))


class Bottleneck(nn.Cell):
    """1 x 1 to `width` channels, 3 x 3, and 1 x 1 to four times as many; the input is added to the result."""

    def __init__(self, channels_in: int, width: int, stride: int):
        super().__init__()
        channels_out = width * _EXPANSION
        self.reduce = _convolution(channels_in, width, 1)
        self.middle = _convolution(width, width, 3, stride)
        # Small at first, so that the input outweighs what random weights make of it.
        self.expand = _convolution(width, channels_out, 1, gamma=0.1)
        self.has_projection = stride != 1 or channels_in != channels_out
        if self.has_projection:
            self.projection = _convolution(channels_in, channels_out, 1, stride)
        self.relu = nn.ReLU()

    def construct(self, x):
        y = self.relu(self.reduce(x))
        y = self.relu(self.middle(y))
        y = self.expand(y)
        if self.has_projection:
            x = self.projection(x)
        return self.relu(x + y)


class ResNet50Features(nn.Cell):
    """Takes pictures (N, 3, 224, 224) and gives 2048 features for each."""

    def __init__(self):
        super().__init__()
        self.stem = _convolution(3, 64, 7, stride=2)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2, pad_mode="same")
        blocks, channels = [], 64
        for width, count, stride in _STAGES:
            for number in range(count):
                blocks.append(Bottleneck(channels, width, stride if number == 0 else 1))
                channels = width * _EXPANSION
        self.blocks = nn.SequentialCell(blocks)

    def construct(self, x):
        x = self.pool(self.relu(self.stem(x)))
        return self.blocks(x).mean((2, 3))


class ResNet50(nn.Cell):
    """The features and a dense layer: pictures (N, 3, 224, 224) in, scores (N, classes) out."""

    def __init__(self, features: nn.Cell, classes: int):
        super().__init__()
        self.features = features
        self.dense = nn.Dense(FEATURES, classes)

    def construct(self, x):
        return self.dense(self.features(x))
