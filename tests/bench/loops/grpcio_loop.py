"""Reference: a bare grpcio unary call that sends a file's bytes, one after the other.

Usage: grpcio_loop.py ADDRESS FILE
"""

import sys
from pathlib import Path

import grpc
from timed_loop import serve

if __name__ == "__main__":
    channel = grpc.insecure_channel(sys.argv[1], options=[("grpc.enable_http_proxy", 0)])
    predict = channel.unary_unary("/mindspore.serving.proto.MSService/Predict")
    message = Path(sys.argv[2]).read_bytes()
    assert predict(message) == message
    serve(lambda: predict(message))
