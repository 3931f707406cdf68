"""The library of the C++ client, built and installed as users do, and programs built against what was installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]
# scripts/test.sh builds there too, so that nothing is compiled twice.
_BUILD = _REPOSITORY / "build" / "cpp-plain"


def install_cpp_client(prefix: Path) -> None:
    """Builds the library, unless it is up to date, and installs it."""
    options = ["-DSERVING_BUILD_CLIENT=ON", "-DSERVING_BUILD_EXTENSIONS=OFF", "-DSERVING_SANITIZE="]
    _run("cmake", "-S", str(_REPOSITORY), "-B", str(_BUILD), "-G", "Ninja", *options)
    _build(_BUILD, "--target", "mindspore_serving_client")
    _run("cmake", "--install", str(_BUILD), "--component", "client", "--prefix", str(prefix))


def build_program(source: Path, build: Path, prefix: Path) -> Path:
    """Builds a project that looks for the installed client; its program has the name of the project."""
    _run("cmake", "-S", str(source), "-B", str(build), "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}")
    _build(build)
    return build / source.name


def _build(folder: Path, *options: str) -> None:
    jobs = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL") or str(len(os.sched_getaffinity(0)))
    _run("cmake", "--build", str(folder), "--parallel", jobs, *options)


def _run(*command: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
