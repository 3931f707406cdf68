"""The examples, with the very commands of their READMEs, in a copy that holds nothing generated."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.harness.grpc_client import GrpcClient
from tests.harness.server_process import ServerProcess

_EXAMPLES = Path(__file__).resolve().parents[2] / "example"
_GENERATED = ("[1-9]", "build", "__pycache__", "serving_logs", "sample.*", "class_names.txt", "vocabulary.txt")
_PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==")
"""One black pixel."""
_ENVIRONMENT = {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONDONTWRITEBYTECODE": "1",
    "no_proxy": "127.0.0.1",
}


@dataclasses.dataclass(frozen=True)
class BadInput:
    """An input that a method refuses."""

    method: tuple[str, str]
    input: str
    good: str | bytes
    value: str | bytes
    error: str


class Example:
    """A copy of one example, and the commands of its README."""

    def __init__(self, name: str, folder: Path) -> None:
        self.directory = folder / name
        shutil.copytree(_EXAMPLES / name, self.directory, ignore=shutil.ignore_patterns(*_GENERATED))
        text = (self.directory / "README.md").read_text()
        blocks = re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        self.commands = [
            re.sub(r"  +#.*", "", line) for block in blocks for line in block.replace("\\\n", " ").splitlines()
        ]

    def run(self, words: str, env: dict[str, str] | None = None, rest_address: str = "") -> str:
        """What the README's one command with these words prints; it must succeed."""
        (command,) = [command for command in self.commands if words in command]
        command = command.replace("127.0.0.1:1500", rest_address)
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.directory,
            env={**os.environ, **_ENVIRONMENT, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def _run(
    name: str, tmp_path: Path, bad: BadInput | None = None, clients: Sequence[str] = ("python serving_client.py",)
) -> tuple[str, list[dict[str, Any]]]:
    """Exports, serves and asks; gives what the clients printed and the instances that curl got.

    A bad input must be answered with its own error, and leave the others of the same request alone.
    """
    example = Example(name, tmp_path)
    example.run("python export_model/")
    assert "python serving_server.py" in example.commands
    script = (example.directory / "serving_server.py").read_text()
    env = {"SERVING_GRPC_ADDRESS": "127.0.0.1:0", "SERVING_RESTFUL_ADDRESS": "127.0.0.1:0"}
    with ServerProcess(script, example.directory, {**_ENVIRONMENT, **env}) as server:
        address = {"SERVING_GRPC_ADDRESS": server.grpc_address}
        printed = "".join(example.run(client, address) for client in clients)
        answer = json.loads(example.run("curl", rest_address=server.rest_address))
        if bad is not None:
            with GrpcClient(server.grpc_address) as client:
                values = [bad.good, bad.good, bad.good, bad.value, bad.good]
                errors = client.call(*bad.method, *({bad.input: value} for value in values)).errors
            assert [code == 0 for code, _ in errors] == [True, True, True, False, True]
            assert bad.error in errors[3][1]
    assert list(answer) == ["instances"], answer
    return printed, answer["instances"]


def _accuracy(printed: str) -> float:
    found = re.search(r"^accuracy on \d+ .*: (\S+)$", printed, re.MULTILINE)
    assert found, printed
    return float(found.group(1))


def test_tensor_add(tmp_path: Path, cpp_client_prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CMAKE_PREFIX_PATH", str(cpp_client_prefix))
    python = ("python serving_client.py", "python serving_client_asyncio.py")
    cpp = ("cmake -S cpp_client", "cpp_client/build/add_client")
    printed, instances = _run("tensor_add", tmp_path, clients=python + cpp)
    assert "last: [{'y': array([[20., 20.]," in printed
    assert "y: 3 3 3 3\ny: 7 7 7 7\n" in printed
    assert "add_common: " in printed
    assert "add_cast: " in printed
    assert instances == [{"y": [[2, 4], [6, 8]]}]


def test_add_sub_pipeline(tmp_path: Path) -> None:
    printed, instances = _run("add_sub_pipeline", tmp_path)
    assert "add_sub_only_model: " in printed
    assert "add_sub_cast: " in printed
    assert instances == [{"y": [[0, 1], [2, 3]]}]


def test_matmul_multi_subgraphs(tmp_path: Path) -> None:
    printed, instances = _run("matmul_multi_subgraphs", tmp_path)
    assert "predict: " in printed
    assert "predict_batch: " in printed
    assert instances == [{"y": [[0, 1, 2, 3], [4, 5, 6, 7]], "z": [[29, 35], [77, 99]]}]


@pytest.mark.slow
def test_lenet(tmp_path: Path) -> None:
    bad = BadInput(("lenet", "predict"), "image", _PNG, b"no picture", "cannot identify image file")
    printed, instances = _run("lenet", tmp_path, bad)
    assert _accuracy(printed) > 0.95
    assert "a 5 was taken for a 5" in printed
    assert instances == [{"label": 5}]


@pytest.mark.slow
def test_resnet(tmp_path: Path) -> None:
    printed, instances = _run("resnet", tmp_path)
    assert _accuracy(printed) > 0.7
    (best,) = instances
    assert best["labels"].split(";")[0] == "blue dots"
    assert best["probabilities"] == sorted(best["probabilities"], reverse=True)
    assert len(best["probabilities"]) == len(set(best["labels"].split(";"))) == 5


@pytest.mark.slow
def test_text_generation(tmp_path: Path) -> None:
    bad = BadInput(("poet", "predict_batch"), "input_sentence", "we count", "the " * 16, "has 16 words, more than 15")
    printed, instances = _run("text_generation", tmp_path, bad)
    assert "the river ... -> the river wakes before the town and carries off the night\n" in printed
    assert instances == [{"output_sentence": "the moon leans down on every door and greets it like a friend"}]


def test_every_example_is_tested() -> None:
    examples = {path.parent.name for path in _EXAMPLES.glob("*/README.md")}
    assert examples == {name.removeprefix("test_") for name in globals() if name.startswith("test_")} & examples
