"""Serves the servable `lenet` over gRPC and RESTful, until Ctrl-C.

SERVING_GRPC_ADDRESS and SERVING_RESTFUL_ADDRESS choose other addresses than 127.0.0.1:5500 and 127.0.0.1:1500.
"""

import os
import sys

from mindspore_serving import server


def start():
    servable_dir = os.path.dirname(os.path.realpath(sys.argv[0]))

    # One worker process, which runs the model and the functions around it on device 0.
    config = server.ServableStartConfig(servable_directory=servable_dir, servable_name="lenet", device_ids=0)
    server.start_servables(servable_configs=config)

    server.start_grpc_server(address=os.environ.get("SERVING_GRPC_ADDRESS", "127.0.0.1:5500"))
    server.start_restful_server(address=os.environ.get("SERVING_RESTFUL_ADDRESS", "127.0.0.1:1500"))


if __name__ == "__main__":
    start()
