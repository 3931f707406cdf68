"""The benchmark: measures the installed package against bare references on this machine.

    python -m tests.bench [--case NAME ...] [--seconds S] [--rounds N] [--json FILE] [--build FOLDER]

Needs h2load and wrk (packages nghttp2-client and wrk), CMake and the C++ gRPC library. Every figure stands beside its
reference, measured in the same run and in turn with it; the median of the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from .bench import Bench
from .cases import CASES
from .rows import tables

_DEFAULT_BUILD = Path(__file__).resolve().parents[2] / "build" / "bench"


def main() -> int:
    """Runs the chosen cases; 1 when a target is missed."""
    options = _parse()
    if missing := [tool for tool in ("h2load", "wrk", "cmake") if shutil.which(tool) is None]:
        print(f"not installed: {', '.join(missing)} (system packages nghttp2-client, wrk, cmake)", file=sys.stderr)
        return 2
    load_before = os.getloadavg()[0]
    if load_before > 0.5:
        print(f"other work runs here (load average {load_before:.1f}): only ratios mean anything", file=sys.stderr)
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="serving-bench-") as folder,
        Bench(Path(folder), options.build, options.seconds, options.rounds) as bench,
    ):
        for name in options.case or CASES:
            print(f"{name} ...", file=sys.stderr, flush=True)
            rows += CASES[name](bench)
    print(tables(rows))
    if options.json:
        content = {
            "machine": _machine(load_before),
            "seconds": options.seconds,
            "rounds": options.rounds,
            "cases": [row.as_json() for row in rows],
        }
        options.json.write_text(json.dumps(content, indent=1) + "\n")
    return 1 if any(row.met is False for row in rows) else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Measures the server against bare references."
    )
    parser.add_argument(
        "--case", action="append", choices=list(CASES), help="only this case; may be given several times"
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a round (default 2)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each side (default 5)")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    parser.add_argument(
        "--build", type=Path, default=_DEFAULT_BUILD, help="where the reference server is built (default build/bench)"
    )
    return parser.parse_args()


def _machine(load_before: float) -> dict[str, object]:
    return {
        "cpus": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "load_average_before": load_before,
    }


if __name__ == "__main__":
    sys.exit(main())
