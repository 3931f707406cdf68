"""The calls of the master's side under their older path, and its settings in `master.context`."""

from mindspore_serving.server.api import start_grpc_server, start_restful_server, stop
from mindspore_serving.server.config import SSLConfig
from mindspore_serving.server.master import context

__all__ = ["SSLConfig", "context", "start_grpc_server", "start_restful_server", "stop"]
