"""The cache of converted models, and what a conversion refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mindspore_serving.server._worker.backends import conversion, samples
from mindspore_serving.server._worker.backends.base import TensorInfo
from mindspore_serving.server._worker.backends.conversion import Converted, Refused, Request, convert_all
from mindspore_serving.server._worker.backends.free_batch import rows_differ

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of this test's own."""
    monkeypatch.setenv("MINDSPORE_SERVING_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "converted"


@pytest.fixture(scope="module")
def norm(exported):
    return Request(str(exported / "norm.mindir"), True, ())


@pytest.fixture(scope="module")
def filled_cache(norm, tmp_path_factory):
    """A cache that has one file, for tests to copy."""
    folder = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINDSPORE_SERVING_CACHE_DIR", str(folder))
        convert_all([norm])
    return folder / "converted"


@pytest.fixture
def runs(monkeypatch):
    """The requests of each child that was started."""
    made = []
    run = conversion._run_child

    def counted(scratch, requests):
        made.append([Path(request.file).name for request in requests.values()])
        return run(scratch, requests)

    monkeypatch.setattr(conversion, "_run_child", counted)
    return made


def entries(cache):
    return [path for path in cache.iterdir() if path.is_dir()]


def test_a_file_is_converted_once(cache, norm, runs):
    (first,) = convert_all([norm])
    assert isinstance(first, Converted)
    assert first.any_batch
    assert first.info.inputs == (TensorInfo("float32", (2, 2)),)
    assert first.info.outputs == (TensorInfo("float16", (2, 2)),)
    assert convert_all([norm]) == [first]
    assert runs == [["norm.mindir"]]
    (entry,) = entries(cache)
    assert sorted(path.name for path in entry.iterdir()) == ["entry.json", "model.onnx"]
    assert cache.stat().st_mode & 0o777 == 0o700


def test_the_content_counts_and_not_the_name(cache, norm, runs, tmp_path):
    copy = tmp_path / "a copy.mindir"
    shutil.copy(norm.file, copy)
    first, second = convert_all([norm, Request(str(copy), True, ())])
    assert first == second
    assert len(entries(cache)) == 1
    convert_all([Request(str(copy), False, ())])
    assert len(entries(cache)) == 2  # without batch dimension it is another graph


def test_refusals_are_kept_too(cache, exported, runs):
    requests = [Request(str(exported / name), True, ()) for name in ("count.mindir", "norm.mindir", "gcm.mindir")]
    for _ in range(2):
        count, norm, encrypted = convert_all(requests)
        assert count == Refused("it has operators with side effects: Assign")
        assert isinstance(norm, Converted)
        assert isinstance(encrypted, Refused)
        # The same content may be another file's next time.
        assert encrypted.why.startswith("it is not a MindIR file, or it is encrypted with another key or mode: ")
    assert len(runs) == 1


@pytest.mark.parametrize("damage", ["cut", "changed", "no entry", "no model", "odd entry", "nothing"])
def test_damaged_entries_are_made_again(cache, filled_cache, norm, runs, damage):
    shutil.copytree(filled_cache, cache)
    (good,) = convert_all([norm])
    assert not runs
    (entry,) = entries(cache)
    model = entry / "model.onnx"
    if damage == "cut":
        model.write_bytes(good.content[:-5])
    elif damage == "changed":
        model.write_bytes(good.content[:-1] + bytes([good.content[-1] ^ 1]))
    elif damage == "no entry":
        (entry / "entry.json").unlink()
    elif damage == "no model":
        model.unlink()
    elif damage == "odd entry":
        (entry / "entry.json").write_text("[1, 2")
    else:
        shutil.rmtree(entry)
        entry.mkdir()
    (again,) = convert_all([norm])
    assert isinstance(again, Converted)
    assert (again.info, again.any_batch) == (good.info, good.any_batch)
    assert len(runs) == 1
    convert_all([norm])
    assert len(runs) == 1


def test_another_version_converts_anew(cache, filled_cache, norm, runs, monkeypatch):
    shutil.copytree(filled_cache, cache)
    monkeypatch.setattr(conversion, "versions", lambda: ["mindspore 99"])
    convert_all([norm])
    assert len(runs) == 1
    assert len(entries(cache)) == 2


def test_versions_name_all_that_a_conversion_depends_on(monkeypatch):
    names = [version.partition(" ")[0] for version in conversion.versions()[:-1]]
    assert names == ["mindspore", "onnxruntime", "onnx"]
    code = conversion.versions()[-1]
    monkeypatch.setattr(conversion, "_SOURCES", conversion._SOURCES[:-1])
    assert conversion.versions()[-1] != code


CONVERT = """
import sys
from mindspore_serving.server._worker.backends import conversion

run = conversion._run_child
def told(*arguments):
    print("converts", flush=True)
    return run(*arguments)
conversion._run_child = told
requests = [conversion.Request(file, True, ()) for file in sys.argv[1:]]
print([type(result).__name__ for result in conversion.convert_all(requests)])
"""


def test_several_workers_convert_once(cache, exported):
    files = [str(exported / name) for name in ("norm.mindir", "mixed.mindir")]
    orders = [files, files[::-1], files]
    children = [
        subprocess.Popen([sys.executable, "-c", CONVERT, *order], stdout=subprocess.PIPE, text=True, env=_environment())
        for order in orders
    ]
    outputs = [child.communicate(timeout=120)[0].splitlines() for child in children]
    assert [lines[-1] for lines in outputs] == ["['Converted', 'Converted']"] * 3
    assert sum(lines.count("converts") for lines in outputs) == 1
    assert not list(cache.glob(".partial-*"))


def _environment():
    return {**os.environ, "PYTHONPATH": str(Path(conversion.__file__).parents[4])}


DIES_WITH_NORM = """
import os
from mindspore_serving.server._worker.backends import converter

convert = converter.convert
def dying(file, *arguments):
    if file.endswith("norm.mindir"):
        print("dying", flush=True)
        os.abort()
    return convert(file, *arguments)
converter.convert = dying
main()
"""


def test_a_child_that_dies_fails_its_file_alone_and_for_now(cache, exported, runs, monkeypatch):
    requests = [Request(str(exported / name), True, ()) for name in ("norm.mindir", "mixed.mindir")]
    with monkeypatch.context() as patch:
        patch.setattr(conversion, "_RUN_CONVERTER", conversion._RUN_CONVERTER.replace("main()\n", DIES_WITH_NORM))
        norm, mixed = convert_all(requests)
    assert norm == Refused("the conversion failed: exit code -6, dying")
    assert isinstance(mixed, Converted)
    (norm,) = convert_all(requests[:1])
    assert isinstance(norm, Converted)


def test_a_cache_that_cannot_be_written_to_is_done_without(tmp_path, norm, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MINDSPORE_SERVING_CACHE_DIR", str(tmp_path / "file"))
    (result,) = convert_all([norm])
    assert isinstance(result, Converted)


@pytest.mark.parametrize("own", [True, False])
def test_the_users_cache_directory_is_the_default(tmp_path, monkeypatch, own):
    monkeypatch.delenv("MINDSPORE_SERVING_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg") if own else "")
    base = tmp_path / ("xdg" if own else ".cache")
    assert conversion._cache_directory() == base / "mindspore_serving" / "converted"


def test_entries_that_nobody_uses_go(cache, filled_cache, exported):
    shutil.copytree(filled_cache, cache)
    (entry,) = entries(cache)
    old = time.time() - 61 * 24 * 3600
    os.utime(entry, (old, old))
    convert_all([Request(str(exported / "mixed.mindir"), True, ())])
    assert entry not in entries(cache)
    assert len(entries(cache)) == 1


WRONG_EXPORT = """
import pathlib, sys
from mindspore_serving.server._worker.backends import converter

file, wrong, directory = sys.argv[1:]
converter._export = lambda *arguments: pathlib.Path(wrong).read_bytes()
try:
    converter.convert(file, True, [], pathlib.Path(directory))
except converter.Refused as error:
    print("refused:", error)
"""


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("mixed.onnx", "the results of ONNX Runtime are not MindSpore's: output 0 is float32[2, 2] instead of float16"),
        ("sub.onnx", "the results of ONNX Runtime are not MindSpore's: output 0 differs by up to"),
        ("add.onnx", "the exported graph does not have the same inputs"),
        ("norm.mindir", "ONNX Runtime cannot load it"),
    ],
)
def test_another_result_is_refused(exported, tmp_path, wrong, why):
    _make_wrong_models(exported)
    command = [sys.executable, "-c", WRONG_EXPORT, str(exported / "norm.mindir"), str(exported / wrong), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=_environment())
    assert f"refused: {why}" in done.stdout, done.stdout + done.stderr


def _make_wrong_models(folder):
    import onnx

    for name, cast, factor in (("mixed", onnx.TensorProto.FLOAT, 3), ("sub", onnx.TensorProto.FLOAT16, 3.01)):
        x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [2, 2])
        y = onnx.helper.make_tensor_value_info("y", cast, [2, 2])
        weight = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [factor])
        nodes = [
            onnx.helper.make_node("Mul", ["x", "w"], ["product"]),
            onnx.helper.make_node("Cast", ["product"], ["y"], to=cast),
        ]
        graph = onnx.helper.make_graph(nodes, name, [x], [y], [weight])
        opset = [onnx.helper.make_opsetid("", 13)]
        onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), str(folder / f"{name}.onnx"))


ROW = [TensorInfo("float32", (2, 3))]


def test_rows_that_do_not_know_each_other_may_be_batched():
    assert rows_differ(lambda x: [x[0] * 2], lambda x: [x[0] * 2], ROW, [True], 2) is None


@pytest.mark.parametrize(
    ("freed", "text"),
    [
        (lambda x: [x[0] - x[0].mean(axis=0)], "in batches of 1: output 0 differs by up to"),
        (lambda x: [x[0].reshape(2, 3)], "in batches of 1: cannot reshape"),
        (lambda x: [np.zeros((2, 3), np.float32)], "in batches of 1: outputs have shapes [[2, 3]]"),
        (lambda x: [x[0].sum()], "in batches of 1: outputs have shapes [[]]"),
        (lambda x: [x[0] * 2 if len(x[0]) < 5 else x[0]], "in batches of 5: output 0 differs"),
    ],
)
def test_rows_that_do_may_not(freed, text):
    assert text in rows_differ(freed, lambda x: [x[0] * 2], ROW, [True], 2)


def test_inputs_without_rows_stay_whole():
    tensors = [*ROW, TensorInfo("float32", (7,))]
    add = lambda x: [x[0] + x[1].sum()]  # noqa: E731
    assert rows_differ(add, add, tensors, [True, False], 2) is None


@pytest.mark.parametrize(
    ("actual", "expected", "text"),
    [
        ([np.float32([1, 2])], [np.float32([1.0001, 2])], None),
        ([np.float32([1, 2])], [np.float32([1.01, 2])], "output 0 differs by up to 0.01"),
        ([np.float32([1e-3, 1000])], [np.float32([0, 1000])], None),  # small beside the largest
        ([np.float32([np.nan, np.inf])], [np.float32([np.nan, np.inf])], None),
        ([np.float32([np.nan, 1])], [np.float32([1, 1])], "output 0 differs"),
        ([np.int32([1])], [np.int32([2])], "output 0 differs by up to 1"),
        ([np.int32([1])], [np.int64([1])], "output 0 is int32[1] instead of int64[1]"),
        ([np.float32([1])], [np.float32([[1]])], "output 0 is float32[1] instead of float32[1, 1]"),
        ([np.bool_([True])], [np.bool_([False])], "output 0 differs by up to 1"),
        ([], [np.float32([1])], "0 outputs instead of 1"),
    ],
)
def test_results_that_count_as_the_same(actual, expected, text):
    found = samples.difference(actual, expected, 1e-3, 1e-4)
    assert (found is None) if text is None else text in found


def test_samples_are_in_range():
    tensors = [TensorInfo(dtype, (50,)) for dtype in ("float16", "float64", "int32", "uint8", "bool")]
    values = samples.random(tensors, 1)
    assert [value.dtype.name for value in values] == [tensor.dtype for tensor in tensors]
    assert all(np.abs(value.astype(float)).max() <= (1 if value.dtype.kind == "f" else 3) for value in values)
    assert values[2].min() >= 0
    assert not np.array_equal(values[0], samples.random(tensors, 2)[0])
    assert all(np.array_equal(a, b) for a, b in zip(values, samples.random(tensors, 1), strict=True))
