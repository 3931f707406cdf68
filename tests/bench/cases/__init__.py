"""The cases of the benchmark: what is measured against which reference, and what is asked of it."""

from collections.abc import Callable

from ..bench import Bench
from ..rows import Row
from .codec import json_decode
from .models import engines, grpc_lenet, grpc_resnet
from .requests import client, grpc_add, grpc_identity, grpc_large, grpc_pause, rest_add, rest_identity
from .server import memory, startup
from .tls import grpc_tls
from .workers import extra_worker, parallel_workers

CASES: dict[str, Callable[[Bench], list[Row]]] = {
    case.__name__: case
    for case in (
        *(grpc_identity, rest_identity, grpc_add, rest_add, grpc_large, grpc_pause, client),
        grpc_tls,
        *(parallel_workers, extra_worker),
        *(grpc_lenet, grpc_resnet, engines),
        *(json_decode, memory, startup),
    )
}
