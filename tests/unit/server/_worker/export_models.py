"""Exports the models of test_mindspore.py to the given directory. A file, since MindSpore reads the source of cells."""

import os
import sys

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops


class Add(nn.Cell):
    def construct(self, x1, x2):
        return x1 + x2


class AddSub(nn.Cell):
    def construct(self, x1, x2):
        return x1 + x2, x1 - x2


class Norm(nn.Cell):
    def __init__(self):
        super().__init__()
        self.weight = ms.Parameter(Tensor(np.full((2,), 3, np.float32)), name="weight")

    def construct(self, x):
        return (x * self.weight).astype(ms.float16)


class Count(nn.Cell):
    """Adds up what it was given: state."""

    def __init__(self):
        super().__init__()
        self.total = ms.Parameter(Tensor(np.zeros((2,), np.float32)), name="total")

    def construct(self, x):
        ops.assign(self.total, self.total + x[0])
        return x + self.total


class NotInOnnx(nn.Cell):
    """An operator that the exporter does not know."""

    def construct(self, x):
        return ops.lgamma(x)


class Mixed(nn.Cell):
    """Each row of the output depends on the other rows."""

    def construct(self, x):
        return x - x.mean(axis=0, keep_dims=True)


class Dense(nn.Cell):
    def __init__(self):
        super().__init__()
        self.dense = nn.Dense(2, 3)

    def construct(self, x, scale):
        return self.dense(x) * scale


os.chdir(sys.argv[1])
one = Tensor(np.ones((1, 2), np.float32))
two = Tensor(np.ones((2, 2), np.float32))
rows = Tensor(shape=[None, 2], dtype=ms.float32)
key = {"enc_key": b"0123456789ABCDEF"}
ms.export(Add(), two, two, file_name="add", file_format="MINDIR")
ms.export(AddSub(), two, two, file_name="add_sub", file_format="MINDIR")
ms.export(AddSub(), rows, rows, file_name="dynamic", file_format="MINDIR")
ms.export(Norm(), two, file_name="norm", file_format="MINDIR")
ms.export(Add(), two, two, file_name="gcm", file_format="MINDIR", enc_mode="AES-GCM", **key)
ms.export(Add(), two, two, file_name="cbc", file_format="MINDIR", enc_mode="AES-CBC", **key)
ms.export(Count(), two, file_name="count", file_format="MINDIR")
ms.export(NotInOnnx(), two, file_name="not_in_onnx", file_format="MINDIR")
ms.export(Mixed(), two, file_name="mixed", file_format="MINDIR")
ms.export(Dense(), one, Tensor(np.float32([2])), file_name="dense", file_format="MINDIR")
ms.export(Add(), two, two, file_name="add", file_format="ONNX")
ms.export(AddSub(), two, two, file_name="add_sub", file_format="ONNX")
ms.export(Norm(), two, file_name="norm", file_format="ONNX")
