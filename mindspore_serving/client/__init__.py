"""The Python clients. Need grpcio, protobuf and numpy, and nothing of the server.

>>> from mindspore_serving.client import Client
>>> with Client("127.0.0.1:5500", "add", "add_common") as client:
...     result = client.infer({"x1": np.ones((2, 2), np.float32), "x2": np.ones((2, 2), np.float32)})

`mindspore_serving.client.aio` has the same for asyncio.
"""

from mindspore_serving.client.client import Client
from mindspore_serving.client.ssl import SSLConfig

__all__ = ["Client", "SSLConfig"]
