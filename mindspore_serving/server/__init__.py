"""Serving models: start servables and the servers that clients call.

Example::

    from mindspore_serving import server

    config = server.ServableStartConfig(servable_directory="servables", servable_name="add", device_ids=0)
    server.start_servables(config)
    server.start_grpc_server("127.0.0.1:5500")
    server.start_restful_server("127.0.0.1:1500")
"""

from mindspore_serving.server import master, register
from mindspore_serving.server.api import start_grpc_server, start_restful_server, start_servables, stop
from mindspore_serving.server.config import ServableStartConfig, SSLConfig
from mindspore_serving.server.limits import RequestLimits

__all__ = [
    "RequestLimits",
    "SSLConfig",
    "ServableStartConfig",
    "master",
    "register",
    "start_grpc_server",
    "start_restful_server",
    "start_servables",
    "stop",
]
