"""From configurations to servables."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindspore_serving.server import ServableStartConfig
from mindspore_serving.server._master import merging
from mindspore_serving.server._master.launch import plan_workers
from mindspore_serving.server._master.merging import merge_configs, newest_version


@pytest.fixture
def servable(tmp_path: Path):
    """Makes a servable with version directories."""

    def make(name: str = "add", versions: tuple[str, ...] = ("1",), directory: Path = tmp_path) -> Path:
        path = directory / name
        path.mkdir(parents=True)
        (path / "servable_config.py").touch()
        for version in versions:
            (path / version).mkdir()
        return path

    return make


@pytest.fixture
def config(tmp_path: Path):
    def make(name: str = "add", **arguments) -> ServableStartConfig:
        return ServableStartConfig(**{"servable_directory": str(tmp_path), "servable_name": name, **arguments})

    return make


def test_newest_version(servable):
    path = servable(versions=("1", "2", "10", "0", "007", "x9", "\u0663"))
    (path / "11").touch()  # a file is no version
    assert newest_version(path) == 10


def test_one_version_becomes_one_servable(servable, config):
    servable()
    (merged,) = merge_configs([config(device_ids=(3, 1)), config(device_ids=(5, 4, 1), version_number=1)])
    assert (merged.name, merged.version_number, merged.device_ids) == ("add", 1, (1, 3, 4, 5))


def test_versions_stay_separate_in_order_of_appearance(servable, config):
    servable("b", ("1", "2"))
    servable("a")
    merged = merge_configs([config("b"), config("a"), config("b", version_number=1), config("a", device_ids=1)])
    assert [(one.name, one.version_number) for one in merged] == [("b", 2), ("b", 1), ("a", 1)]


def test_without_version_directories(servable, config):
    servable(versions=())
    assert [one.version_number for one in merge_configs([config()])] == [0]
    assert [one.version_number for one in merge_configs([config(), config(version_number=1)])] == [1]
    assert [one.version_number for one in merge_configs([config(version_number=3)])] == [3]


def test_the_largest_number_of_parallel_workers_counts(servable, config):
    servable()
    (merged,) = merge_configs([config(num_parallel_workers=2), config(num_parallel_workers=5)])
    assert merged.num_parallel_workers == 5


def test_device_types_of_versions_are_their_own(servable, config):
    servable(versions=("1", "2"))
    merged = merge_configs([config(device_type="CPU", version_number=1), config(device_type="GPU", version_number=2)])
    assert [one.device_type for one in merged] == ["cpu", "gpu"]


def test_an_open_device_type_takes_the_other_one(servable, config):
    servable()
    assert merge_configs([config(), config(device_type="CPU")])[0].device_type == "cpu"


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ({"dec_key": b"k" * 16}, {}, "The dec key or dec mode of servable name add is different"),
        ({"dec_mode": "AES-CBC"}, {}, "The dec key or dec mode of servable name add is different"),
        ({"device_type": "CPU"}, {"device_type": "GPU"}, "The device type of servable name add is different"),
    ],
)
def test_contradictions(servable, config, first, second, text):
    servable()
    with pytest.raises(RuntimeError, match=text):
        merge_configs([config(**first), config(**second)])


def test_keys_of_versions_may_differ(servable, config):
    servable(versions=("1", "2"))
    merged = merge_configs([config(version_number=1, dec_key=b"k" * 16), config(version_number=2, dec_key=b"l" * 16)])
    assert [one.dec_key for one in merged] == [b"k" * 16, b"l" * 16]
    assert "kkk" not in repr(merged)


def test_one_name_in_two_directories(servable, config, tmp_path):
    servable()
    servable(directory=tmp_path / "other")
    with pytest.raises(RuntimeError, match="The servable directory of servable name add is different"):
        merge_configs([config(), config(servable_directory=str(tmp_path / "other"))])


def test_missing_files(servable, config, tmp_path):
    with pytest.raises(RuntimeError, match="Check servable config failed, directory "):
        merge_configs([config()])
    (servable() / "servable_config.py").unlink()
    with pytest.raises(RuntimeError, match="Check servable config failed, file "):
        merge_configs([config()])
    with pytest.raises(RuntimeError, match="Check servable config failed, directory "):
        merge_configs([config(f"../{tmp_path.name}/add")])


@pytest.mark.parametrize("second", [{"name": "sub"}, {"version_number": 1}])
def test_ascend_devices_are_not_shared(servable, config, second):
    servable(versions=("1", "2"))
    servable("sub")
    configs = [config(device_ids=2, device_type="Ascend"), config(device_ids=(0, 2), device_type="Ascend", **second)]
    with pytest.raises(RuntimeError, match="Ascend 910 device id 2 is used repeatedly in servable"):
        merge_configs(configs)


@pytest.mark.parametrize("device_type", ["GPU", "CPU"])
def test_other_devices_are_shared(servable, config, device_type):
    servable(versions=("1", "2"))
    servable("sub")
    shared = {"device_ids": 2, "device_type": device_type}
    merged = merge_configs([config(**shared), config("sub", **shared), config(version_number=1, **shared)])
    assert [(one.name, one.version_number, one.device_ids) for one in merged] == [
        ("add", 2, (2,)),
        ("add", 1, (2,)),
        ("sub", 1, (2,)),
    ]


def test_an_open_device_type_is_ascend_where_that_is_present(servable, config, monkeypatch):
    servable()
    servable("sub")
    configs = [config(device_ids=2), config("sub", device_ids=2)]
    assert len(merge_configs(configs)) == 2
    monkeypatch.setattr(merging.glob, "glob", lambda pattern: ["/dev/davinci0"])
    with pytest.raises(RuntimeError, match="Ascend 910 device id 2 is used repeatedly in servable sub"):
        merge_configs(configs)


@pytest.mark.parametrize(
    ("arguments", "workers"),
    [
        ({}, [("extra0", True)]),
        ({"device_ids": (0, 2)}, [("device0", True), ("device2", True)]),
        ({"device_ids": 0, "num_parallel_workers": 3}, [("device0", True), ("extra0", False), ("extra1", False)]),
        ({"device_ids": 0, "num_parallel_workers": 2, "device_type": "CPU"}, [("device0", True), ("extra0", True)]),
        ({"num_parallel_workers": 2, "device_type": "GPU"}, [("extra0", False), ("extra1", False)]),
    ],
)
def test_workers(servable, config, arguments, workers):
    servable()
    specs = plan_workers(merge_configs([config(**arguments)]), False)
    assert [(spec.place, spec.own_device) for spec in specs] == workers
    assert {spec.worker_count for spec in specs} == {max(1, sum(own for _, own in workers))}


def test_what_a_worker_is_told_and_called(servable, config):
    servable(versions=())
    configs = [config(device_ids=0, num_parallel_workers=2, dec_key=b"k" * 16)]
    device, extra = plan_workers(merge_configs(configs), True)
    message = device.start_message([7, 8], 9)
    assert (message.servable_name, message.version_number, message.device_id, message.extra_index) == (
        "add",
        0,
        0,
        None,
    )
    assert (message.channel_fds, message.enable_lite, message.worker_count) == ((7, 8), True, 1)
    assert message.dec_key_fd == 9
    assert (device.dec_key, extra.dec_key) == (b"k" * 16, None), "who loads no models needs no key"
    assert (device.log_name, extra.log_name) == ("log_add_device0_version1.log", "log_add_extra0_version1.log")
    assert device.failure("text") == "{servable name:add, device id:0, <text>}"
    assert extra.failure("text") == "{servable:add, version:1, extra:0, <text>}"
