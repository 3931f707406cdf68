"""Which kind of device a servable runs on: asked for or not, against what MindSpore or MindSpore Lite would find."""

from __future__ import annotations

import re

import pytest

from mindspore_serving.server._master import device_probe
from mindspore_serving.server._master.device_probe import (
    attached_device_kinds,
    probe_device_kinds,
    resolve_device_types,
)
from mindspore_serving.server._master.merging import Servable
from mindspore_serving.server.errors import StartError


class FakeProbe:
    """Stands for MindSpore in a child process on a machine with other devices; counts how often it was started."""

    def __init__(self, *kinds: str, error: str = "") -> None:
        self._kinds = list(kinds)
        self._error = error
        self.starts = 0

    def __call__(self) -> list[str]:
        self.starts += 1
        if self._error:
            raise StartError(self._error)
        return self._kinds


def servable(device_type, device_ids=(0,), name="add"):
    return Servable("/servables", name, 1, device_type, device_ids, 1, None, "AES-GCM")


def resolved(servables, probe, attached, enable_lite=False):
    return [one.device_type for one in resolve_device_types(servables, enable_lite, probe, lambda: list(attached))]


ALL = ("Ascend", "GPU", "CPU")


@pytest.mark.parametrize(
    ("asked", "found", "attached", "chosen", "starts"),
    [
        ("cpu", ALL, ALL, "cpu", 0),
        ("gpu", ("GPU", "CPU"), ("GPU", "CPU"), "gpu", 1),
        ("ascend", ("Ascend", "CPU"), ("Ascend", "CPU"), "ascend", 1),
        ("none", ("CPU",), ("CPU",), "none", 0),
        ("none", ALL, ALL, "ascend", 1),
        ("none", ("GPU", "CPU"), ("GPU", "CPU"), "gpu", 1),
        ("none", ("CPU",), ("GPU", "CPU"), "none", 1),
    ],
    ids=[
        "CPU",
        "GPU",
        "Ascend",
        "none, nothing attached",
        "none, Ascend first",
        "none, then GPU",
        "none, a GPU that MindSpore cannot use",
    ],
)
def test_what_mindspore_finds_decides(asked, found, attached, chosen, starts):
    probe = FakeProbe(*found)
    assert resolved([servable(asked)], probe, attached) == [chosen]
    assert probe.starts == starts


def test_without_device_ids_and_type_it_is_the_cpu():
    probe = FakeProbe(*ALL)
    assert resolved([servable("none", ())], probe, ALL) == ["none"]
    assert probe.starts == 0


def test_each_servable_has_its_own_and_mindspore_is_asked_once():
    probe = FakeProbe("GPU", "CPU")
    servables = [servable("none"), servable("cpu"), servable("gpu"), servable("none", ())]
    assert resolved(servables, probe, ("GPU", "CPU")) == ["gpu", "cpu", "gpu", "none"]
    assert probe.starts == 1


@pytest.mark.parametrize("lite", [False, True])
@pytest.mark.parametrize(("asked", "found"), [("ascend", "GPU, CPU"), ("gpu", "Ascend, CPU"), ("gpu", "CPU")])
def test_a_device_that_is_not_here(asked, found, lite):
    kinds = found.split(", ")
    text = (
        f"The device type '{asked}' of servable name add is inconsistent with current running environment, supported "
        f"device types: {found}"
    )
    with pytest.raises(RuntimeError, match=re.escape(text)):
        resolved([servable(asked)], FakeProbe(*kinds), kinds, lite)


def test_mindspore_is_never_started_for_mindspore_lite():
    probe = FakeProbe(error="MindSpore is not installed")
    servables = [servable("ascend"), servable("gpu"), servable("cpu"), servable("none")]
    assert resolved(servables, probe, ALL, enable_lite=True) == ["ascend", "gpu", "cpu", "none"]
    assert probe.starts == 0


def test_a_mindspore_that_cannot_be_asked_ends_the_start_only_where_a_device_was_asked_for(monkeypatch):
    warnings = []
    monkeypatch.setattr(device_probe.log, "warning", lambda text, *values: warnings.append(text % values))
    probe = FakeProbe(error="Failed to get device type")
    assert resolved([servable("none")], probe, ("GPU", "CPU")) == ["none"]
    assert warnings == ["servable add runs on CPU, though GPU is attached: Failed to get device type"]
    with pytest.raises(StartError, match="Failed to get device type"):
        resolved([servable("gpu")], probe, ("GPU", "CPU"))


@pytest.mark.parametrize(
    ("nodes", "kinds"),
    [
        ([], ["CPU"]),
        (["/dev/davinci0"], ["Ascend", "CPU"]),
        (["/dev/nvidia0"], ["GPU", "CPU"]),
        (["/dev/dxg"], ["GPU", "CPU"]),
    ],
)
def test_attached_devices(monkeypatch, nodes, kinds):
    monkeypatch.setattr(
        device_probe.glob, "glob", lambda pattern: [node for node in nodes if pattern.split("[")[0] in node]
    )
    assert attached_device_kinds() == kinds


def test_the_real_mindspore_finds_the_cpu():
    pytest.importorskip("mindspore", reason="MindSpore is not installed")
    assert "CPU" in probe_device_kinds()


def test_a_machine_without_mindspore(monkeypatch, tmp_path):
    (tmp_path / "mindspore.py").write_text("raise ImportError('there is none')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(
        StartError, match=r"(?s)Failed to get device type, which MindSpore is needed for: .*there is none"
    ):
        probe_device_kinds()


def test_the_working_directory_is_nowhere_to_look_for_modules(monkeypatch, tmp_path):
    (tmp_path / "working").mkdir()
    for name in ("json", "mindspore"):
        (tmp_path / "working" / f"{name}.py").write_text("raise ImportError('from the working directory')")
    (tmp_path / "mindspore.py").write_text("class hal:\n    is_available = {'GPU': True}.get")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path / "working")
    assert probe_device_kinds() == ["GPU"]
