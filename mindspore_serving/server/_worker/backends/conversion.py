"""MindIR files as ONNX: converted in a child process by `converter.py`, once for each content, and kept on disk.

An entry of the cache is a directory, renamed into place when it is whole; a lock file lets one worker convert while the
others wait. What has changed since it was written is converted again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mindspore_serving import log
from mindspore_serving.server._worker.backends.base import SubgraphInfo, TensorInfo

CACHE_VARIABLE = "MINDSPORE_SERVING_CACHE_DIR"
_PACKAGES = ("mindspore", "onnxruntime", "onnx")
_SOURCES = ("converter.py", "free_batch.py", "samples.py", "mindir.py", "onnxruntime.py")
_TIMEOUT_S = 600
_UNUSED_AFTER_S = 60 * 24 * 3600
_RUN_CONVERTER = """\
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from mindspore_serving.server._worker.backends.converter import main
main()
"""


@dataclasses.dataclass(frozen=True)
class Request:
    """A file to convert, and which of its inputs have a batch dimension."""

    file: str
    with_batch_dim: bool
    without_batch_dim_inputs: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Converted:
    """A file as ONNX Runtime runs it."""

    content: bytes = dataclasses.field(repr=False)
    """The ONNX graph."""
    info: SubgraphInfo
    """The signature of the MindIR file."""
    any_batch: bool
    """Whether it runs batches of any size."""
    why_fixed: str
    """If not, why."""


@dataclasses.dataclass(frozen=True)
class Refused:
    """A file that MindSpore has to run."""

    why: str


def convert_all(requests: Sequence[Request]) -> list[Converted | Refused]:
    """Converts the files, or finds them converted. Takes seconds, since the child process imports MindSpore."""
    with contextlib.ExitStack() as exits:
        try:
            cache = _cache_directory()
            with tempfile.TemporaryFile(dir=cache):
                pass
        except OSError as error:
            log.info(f"Converted models are not kept, the cache directory cannot be used: {error}")
            cache = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="mindspore_serving-")))
        return _convert_in(cache, requests)


def _cache_directory() -> Path:
    """MINDSPORE_SERVING_CACHE_DIR, or `mindspore_serving` in the user's cache directory. Made if missing."""
    own = os.environ.get(CACHE_VARIABLE, "").strip()
    users = os.environ.get("XDG_CACHE_HOME", "").strip()
    base = Path(own) if own else Path(users or Path.home() / ".cache") / "mindspore_serving"
    directory = base.absolute() / "converted"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def _convert_in(cache: Path, requests: Sequence[Request]) -> list[Converted | Refused]:
    entries = [cache / _key(request) for request in requests]
    results = [_read_entry(entry) for entry in entries]
    # In the order of their names, so that two workers never wait for each other.
    missing = sorted({entry for entry, result in zip(entries, results, strict=True) if result is None})
    if missing:
        by_entry = dict(zip(entries, requests, strict=True))
        with contextlib.ExitStack() as locks:
            for entry in missing:
                locks.enter_context(_locked(entry))
            to_do = {entry: by_entry[entry] for entry in missing if _read_entry(entry) is None}
            failures = _run_conversions(cache, to_do) if to_do else {}
        results = [_read_entry(entry) or failures.get(entry, Refused("it was lost again")) for entry in entries]
        _remove_unused(cache)
    return [result for result in results if result is not None]


def _key(request: Request) -> str:
    """A name for all that the result depends on."""
    with open(request.file, "rb") as stream:
        content = _digest(stream)
    parts = [content, request.with_batch_dim, sorted(request.without_batch_dim_inputs), *versions()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def _digest(stream: Any) -> str:
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def versions() -> list[str]:
    """Of the packages that convert, and of the code here."""
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} ?")
    sources = b"".join((Path(__file__).parent / name).read_bytes() for name in _SOURCES)
    return [*found, hashlib.sha256(sources).hexdigest()]


def _read_entry(entry: Path) -> Converted | Refused | None:
    """What the cache has, or None where it has nothing whole."""
    try:
        values = json.loads((entry / "entry.json").read_bytes())
        if "refused" in values:
            result: Converted | Refused = Refused(str(values["refused"]))
        else:
            content = (entry / "model.onnx").read_bytes()
            if hashlib.sha256(content).hexdigest() != values["sha256"]:
                return None
            info = SubgraphInfo(_tensors(values["info"]["inputs"]), _tensors(values["info"]["outputs"]))
            result = Converted(content, info, values["any_batch"], values["why_fixed"])
        os.utime(entry)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return result


def _tensors(values: Sequence[dict[str, Any]]) -> tuple[TensorInfo, ...]:
    return tuple(TensorInfo(value["dtype"], tuple(value["shape"])) for value in values)


@contextlib.contextmanager
def _locked(entry: Path) -> Iterator[None]:
    with open(f"{entry}.lock", "w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _run_conversions(cache: Path, requests: dict[Path, Request]) -> dict[Path, Refused]:
    """Fills the entries; returns what went wrong in a way that may be right next time."""
    left = dict(requests)
    failures: dict[Path, Refused] = {}
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=cache, ignore_cleanup_errors=True) as scratch:
        while left:
            text = _run_child(Path(scratch), left)
            for entry in list(left):
                if (Path(scratch) / entry.name / "entry.json").is_file():
                    _put(Path(scratch) / entry.name, entry)
                    del left[entry]
            if left:
                # The child died with the first of these; the others get another child.
                entry = next(iter(left))
                failures[entry] = Refused(f"the conversion failed: {text}")
                shutil.rmtree(Path(scratch) / entry.name, ignore_errors=True)
                del left[entry]
    return failures


def _run_child(scratch: Path, requests: dict[Path, Request]) -> str:
    """Lets a child convert the files into `scratch`. Returns how it ended, for what it has not done."""
    job = {
        "parent": os.getpid(),
        "requests": [
            {**dataclasses.asdict(request), "directory": str(scratch / entry.name)}
            for entry, request in requests.items()
        ],
    }
    path = json.dumps([os.path.abspath(folder) for folder in sys.path])
    log.info(f"Converting to ONNX: {', '.join(request.file for request in requests.values())}")
    try:
        child = subprocess.run(
            [sys.executable, "-c", _RUN_CONVERTER, path, json.dumps(job)],
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it took more than {_TIMEOUT_S} s"
    except OSError as error:
        return str(error)
    lines = child.stdout.decode(errors="replace").strip().splitlines()
    return f"exit code {child.returncode}, {lines[-1][:300] if lines else 'nothing said'}"


def _put(made: Path, entry: Path) -> None:
    values = json.loads((made / "entry.json").read_bytes())
    if "refused" not in values:
        values["sha256"] = hashlib.sha256((made / "model.onnx").read_bytes()).hexdigest()
        (made / "entry.json").write_text(json.dumps(values))
    shutil.rmtree(entry, ignore_errors=True)  # what was there was not whole
    os.rename(made, entry)


def _remove_unused(cache: Path) -> None:
    """Removes what no worker has used for two months; lock files, which are empty, stay."""
    oldest = time.time() - _UNUSED_AFTER_S
    for entry in cache.iterdir():
        with contextlib.suppress(OSError):
            if entry.is_dir() and entry.stat().st_mtime < oldest:
                shutil.rmtree(entry)
