"""What the head of a RESTful request says: the path, and the time-out.

`/model/<servable>:<method>`, `/model/<servable>/version/<n>:<method>` and `/version/<n>/model/<servable>:<method>`. A
query string is ignored, percent escapes stand for their characters.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from mindspore_serving.server.errors import bad_timeout, not_found

_VERSION_LIMIT = 0xFFFFFFFF
_TIMEOUT_UNITS_S = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class Target(NamedTuple):
    """The method that a path names; version 0 is the newest."""

    servable: str
    method: str
    version: int


@functools.lru_cache(maxsize=256)
def parse_path(raw_path: str) -> Target:
    """The target of a request line. Raises `HttpRefusal` (404) with the interface's texts."""
    segments = _segments(raw_path)
    keywords, names = segments[0::2], segments[1::2]
    if "model" not in keywords or not _servable(keywords, names):
        raise not_found("please check url, the keyword:[model] must contain.")
    version = _parse_version(_value_of("version", keywords, names)) if "version" in keywords else 0
    method = names[-1].rpartition(":")[2] if ":" in names[-1] else ""
    if not method:
        raise not_found("please check url, the keyword:[service method] must contain.")
    if len(keywords) != len(names) or sorted(keywords) not in (["model"], ["model", "version"]):
        raise not_found("please check url, it should be /model/<servable>[/version/<number>]:<method>")
    return Target(_servable(keywords, names), method, version)


def parse_timeout(text: str) -> float:
    """Seconds, of a text in gRPC's form such as `500m`. Raises `HttpRefusal` (400)."""
    match = re.fullmatch("([0-9]{1,8})([HMSmun])", text.strip())
    if match is None:
        raise bad_timeout(text)
    return int(match[1]) * _TIMEOUT_UNITS_S[match[2]]


def _segments(raw_path: str) -> list[str]:
    if not raw_path.isascii():
        raw_path = raw_path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    path = raw_path.partition("?")[0].partition("#")[0]
    if not path.startswith("/"):  # a proxy's request line: http://host/path
        path = urlsplit(path).path
    return [unquote(segment) for segment in path.split("/")[1:]]


def _servable(keywords: list[str], names: list[str]) -> str:
    return _value_of("model", keywords, names)


def _value_of(keyword: str, keywords: list[str], names: list[str]) -> str:
    """What follows a keyword, without the method where it is the last name."""
    index = keywords.index(keyword)
    if index >= len(names):
        return ""
    name = names[index]
    return name.rpartition(":")[0] if index == len(names) - 1 and ":" in name else name


def _parse_version(text: str) -> int:
    if not re.fullmatch(r"\s*[+-]?[0-9]+", text, re.ASCII):
        raise not_found(f"please check url, the keyword:[version] value invalid, value: {text}")
    digits = text.strip()
    version = int(digits) if len(digits) <= 20 else _VERSION_LIMIT
    if not 0 <= version < _VERSION_LIMIT:
        raise not_found(f"please check url, version number range failed, value: {text}")
    return version
