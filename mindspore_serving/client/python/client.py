"""The client's names under the path of the original."""

from mindspore_serving.client.client import Client, ClientGrpcAsyncError, ClientGrpcAsyncResult
from mindspore_serving.client.ssl import SSLConfig

__all__ = ["Client", "ClientGrpcAsyncError", "ClientGrpcAsyncResult", "SSLConfig"]
