"""Settings of the master."""

from mindspore_serving.server import api

__all__ = ["set_max_enqueued_requests"]


def set_max_enqueued_requests(max_enqueued_requests: int) -> None:
    """Limits how many requests may be in the server at once; one more is refused at once with an error.

    Can be called at any time and holds for this process, beyond `stop`.

    Args:
        max_enqueued_requests (int): Number of requests (not instances), at least 1. Default 10000.

    Raises:
        RuntimeError: The number is not an int or out of range.

    Example:
        >>> from mindspore_serving.server.master import context
        >>> context.set_max_enqueued_requests(500)
    """
    api.set_max_enqueued_requests(max_enqueued_requests)
