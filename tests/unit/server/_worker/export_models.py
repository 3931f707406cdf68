"""Exports the models of test_mindspore.py to the given directory. A file, since MindSpore reads the source of cells."""

import os
import sys

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn


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


os.chdir(sys.argv[1])
two = Tensor(np.ones((2, 2), np.float32))
rows = Tensor(shape=[None, 2], dtype=ms.float32)
key = {"enc_key": b"0123456789ABCDEF"}
ms.export(Add(), two, two, file_name="add", file_format="MINDIR")
ms.export(AddSub(), two, two, file_name="add_sub", file_format="MINDIR")
ms.export(AddSub(), rows, rows, file_name="dynamic", file_format="MINDIR")
ms.export(Norm(), two, file_name="norm", file_format="MINDIR")
ms.export(Add(), two, two, file_name="gcm", file_format="MINDIR", enc_mode="AES-GCM", **key)
ms.export(Add(), two, two, file_name="cbc", file_format="MINDIR", enc_mode="AES-CBC", **key)
