"""Figures of a run: rounds of ours and of the reference, taken in turn, and what is asked of their ratio."""

from __future__ import annotations

import dataclasses
import statistics
from typing import Any

from .load import Sample


@dataclasses.dataclass(frozen=True)
class Target:
    """What the project asks of a figure: of its ratio to the reference, or of the figure itself."""

    of: str
    """'rate ratio' or 'mean ratio' of a load; 'value' or 'ratio' of another figure."""
    at_least: float | None = None
    at_most: float | None = None

    def met(self, figure: float) -> bool:
        return (self.at_least is None or figure >= self.at_least) and (self.at_most is None or figure <= self.at_most)

    def __str__(self) -> str:
        bound = f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"
        return bound if self.of == "value" else f"{self.of.removesuffix(' ratio')} {bound}"


@dataclasses.dataclass
class LoadRow:
    """A case under load."""

    name: str
    target: Target | None
    same_load: bool = True
    """Whether the reference had as many requests in flight; else only the rates can be compared."""
    ours: list[Sample] = dataclasses.field(default_factory=list)
    reference: list[Sample] = dataclasses.field(default_factory=list)

    @property
    def rate_ratio(self) -> float:
        return _median(self.ours, "per_s") / _median(self.reference, "per_s")

    @property
    def mean_ratio(self) -> float | None:
        """None where the reference did not have the same load."""
        if not self.same_load:
            return None
        return _median(self.ours, "mean_s") / _median(self.reference, "mean_s")

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.target.met(self.rate_ratio if self.target.of == "rate ratio" else self.mean_ratio)

    @property
    def headings(self) -> list[str]:
        return _HEADINGS

    def cells(self) -> list[str]:
        """One cell for each column of the table."""
        rates = [f"{_median(samples, 'per_s'):,.0f}/s" for samples in (self.ours, self.reference)]
        means = [_duration(_median(samples, "mean_s")) for samples in (self.ours, self.reference)]
        return [
            self.name,
            *rates,
            f"{self.rate_ratio:.2f}",
            *means,
            "" if self.mean_ratio is None else f"{self.mean_ratio:.2f}",
            str(self.target or ""),
            _verdict(self.met),
        ]

    def as_json(self) -> dict[str, Any]:
        """Every round and what follows from it."""
        return {
            "case": self.name,
            "ours": [dataclasses.asdict(sample) for sample in self.ours],
            "reference": [dataclasses.asdict(sample) for sample in self.reference],
            "rate_ratio": self.rate_ratio,
            "mean_ratio": self.mean_ratio,
            "target": str(self.target) if self.target else None,
            "met": self.met,
        }


@dataclasses.dataclass
class ValueRow:
    """A figure that is no load: memory in MB, a time in seconds. The medians count."""

    name: str
    unit: str
    target: Target | None
    ours: list[float]
    reference: list[float]

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.target.met(self.ratio if self.target.of == "ratio" else statistics.median(self.ours))

    @property
    def ratio(self) -> float:
        """Ours over the reference."""
        return statistics.median(self.ours) / statistics.median(self.reference)

    @property
    def headings(self) -> list[str]:
        return _HEADINGS

    def cells(self) -> list[str]:
        """One cell for each column of the table."""
        ours, reference = statistics.median(self.ours), statistics.median(self.reference)
        figures = [f"{ours:.2f} {self.unit}", f"{reference:.2f} {self.unit}", f"{self.ratio:.2f}"]
        return [self.name, *figures, "", "", "", str(self.target or ""), _verdict(self.met)]

    def as_json(self) -> dict[str, Any]:
        """Every round and what follows from it."""
        fields = dataclasses.asdict(self) | {"target": str(self.target) if self.target else None}
        return {"case": fields.pop("name"), **fields, "ratio": self.ratio, "met": self.met}


@dataclasses.dataclass
class SideBySideRow:
    """A figure of several things that do the same work, none of them the server."""

    name: str
    unit: str
    values: dict[str, list[float]]
    """The rounds of each; the medians count."""

    met = None

    @property
    def headings(self) -> list[str]:
        """These rows have columns of their own."""
        return ["bare loop", *self.values]

    def cells(self) -> list[str]:
        """One cell for each column of the table."""
        medians = (statistics.median(rounds) for rounds in self.values.values())
        return [self.name, *(f"{value:,.{0 if value >= 10 else 2}f} {self.unit}" for value in medians)]

    def as_json(self) -> dict[str, Any]:
        """Every round."""
        return {"case": self.name, "unit": self.unit, "values": self.values}


Row = LoadRow | ValueRow | SideBySideRow
_HEADINGS = ["case", "ours", "reference", "ratio", "ours, mean", "reference, mean", "ratio", "target", "met"]


def tables(rows: list[Row]) -> str:
    """The rows as Markdown tables with aligned columns, one for each set of columns."""
    by_headings: dict[tuple[str, ...], list[list[str]]] = {}
    for row in rows:
        by_headings.setdefault(tuple(row.headings), []).append(row.cells())
    return "\n\n".join(_table([list(headings), *cells]) for headings, cells in by_headings.items())


def _table(cells: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _median(samples: list[Sample], field: str) -> float:
    return statistics.median(getattr(sample, field) for sample in samples)


def _duration(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def _verdict(met: bool | None) -> str:
    return "" if met is None else ("yes" if met else "NO")
