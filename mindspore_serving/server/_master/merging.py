"""From what the user configured to the servables to run: versions are found on disk, equal ones united."""

from __future__ import annotations

import dataclasses
import glob
import os
from collections.abc import Sequence

from mindspore_serving.server.config import ServableStartConfig
from mindspore_serving.server.errors import StartError


@dataclasses.dataclass(frozen=True)
class Servable:
    """One version of one servable, and the devices it runs on."""

    directory: str
    name: str
    version_number: int
    """The version directory; 0 where there is none."""
    device_type: str
    device_ids: tuple[int, ...]
    """Ascending."""
    num_parallel_workers: int
    dec_key: bytes | None = dataclasses.field(repr=False)
    dec_mode: str


def merge_configs(configs: Sequence[ServableStartConfig]) -> list[Servable]:
    """One servable for each name and version, in the order of first appearance of the names, then of the versions.

    Raises `StartError` when a directory or `servable_config.py` is missing, or configurations contradict each other."""
    groups: dict[str, list[ServableStartConfig]] = {}
    for config in configs:
        groups.setdefault(config.servable_name, []).append(config)
    servables: list[Servable] = []
    for name, group in groups.items():
        _check_directory(name, group)
        versions: dict[int, list[tuple[int, ServableStartConfig]]] = {}
        for config in group:
            version = config.version_number or newest_version(os.path.join(config.servable_directory, name))
            versions.setdefault(version or 1, []).append((version, config))
        servables.extend(_unite(members) for members in versions.values())
    _check_devices(servables)
    return servables


def newest_version(directory: str) -> int:
    """The largest number that names a sub-directory; 0 if there is none. Names with leading zeros do not count."""
    numbers = [
        int(entry.name)
        for entry in os.scandir(directory)
        if entry.name.isascii() and entry.name.isdigit() and not entry.name.startswith("0") and entry.is_dir()
    ]
    return max(numbers, default=0)


def _check_directory(name: str, group: list[ServableStartConfig]) -> None:
    directory = group[0].servable_directory
    if any(config.servable_directory != directory for config in group):
        raise StartError(
            f"The servable directory of servable name {name} is different in multiple configurations: "
            + ", ".join(dict.fromkeys(f"'{config.servable_directory}'" for config in group))
        )
    path = os.path.join(directory, name)
    if os.path.basename(name) != name or name in (".", "..") or not os.path.isdir(path):
        raise StartError(f"Check servable config failed, directory '{path}' does not exist, servable name: {name}")
    config_file = os.path.join(path, "servable_config.py")
    if not os.path.isfile(config_file):
        raise StartError(f"Check servable config failed, file '{config_file}' does not exist, servable name: {name}")


def _unite(members: list[tuple[int, ServableStartConfig]]) -> Servable:
    """One servable of the configurations of one version."""
    configs = [config for _, config in members]
    first = configs[0]
    if any((config.dec_key, config.dec_mode) != (first.dec_key, first.dec_mode) for config in configs):
        raise StartError(
            f"The dec key or dec mode of servable name {first.servable_name} is different in multiple configurations"
        )
    device_types = {config.device_type for config in configs} - {"none"}
    if len(device_types) > 1:
        raise StartError(
            f"The device type of servable name {first.servable_name} is different in multiple configurations: "
            + ", ".join(sorted(device_types))
        )
    return Servable(
        directory=first.servable_directory,
        name=first.servable_name,
        version_number=max(version for version, _ in members),
        device_type=next(iter(device_types), "none"),
        device_ids=tuple(sorted({device for config in configs for device in config.device_ids})),
        num_parallel_workers=max(config.num_parallel_workers for config in configs),
        dec_key=first.dec_key,
        dec_mode=first.dec_mode,
    )


def _check_devices(servables: list[Servable]) -> None:
    """An Ascend device serves one worker; GPUs and CPUs are shared."""
    ascend_present = bool(glob.glob("/dev/davinci[0-9]*"))
    used: set[int] = set()
    for servable in servables:
        if servable.device_type != "ascend" and not (servable.device_type == "none" and ascend_present):
            continue
        for device in servable.device_ids:
            if device in used:
                raise StartError(f"Ascend 910 device id {device} is used repeatedly in servable {servable.name}")
            used.add(device)
