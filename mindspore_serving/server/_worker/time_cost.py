"""The line that the log has at INFO for each batch that a worker handled."""

from __future__ import annotations

from mindspore_serving import log


def info_is_on() -> bool:
    """Whether lines at INFO are wanted, so that nobody formats them in vain."""
    return log.get_level() in ("0", "1")


def log_time_cost(what: str, instances: int, seconds: float) -> None:
    """Logs how long the instances of one turn took."""
    if info_is_on():
        log.info(f"WorkerRequestHandle Time Cost: {seconds * 1000:.3f} ms, instances: {instances}, {what}")
