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
    """'rate ratio', 'mean ratio' or 'value'."""
    at_least: float | None = None
    at_most: float | None = None

    def met(self, figure: float) -> bool:
        return (self.at_least is None or figure >= self.at_least) and (self.at_most is None or figure <= self.at_most)

    def __str__(self) -> str:
        bound = f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"
        return bound if self.of == "value" else f"{self.of.split()[0]} {bound}"


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
    """A figure that is no load: memory in MB, a time in seconds."""

    name: str
    unit: str
    target: Target | None
    ours: list[float]
    reference: list[float]

    @property
    def met(self) -> bool | None:
        return None if self.target is None else self.target.met(statistics.median(self.ours))

    def cells(self) -> list[str]:
        """One cell for each column of the table."""
        ours, reference = statistics.median(self.ours), statistics.median(self.reference)
        figures = [f"{ours:.2f} {self.unit}", f"{reference:.2f} {self.unit}", f"{ours / reference:.2f}"]
        return [self.name, *figures, "", "", "", str(self.target or ""), _verdict(self.met)]

    def as_json(self) -> dict[str, Any]:
        """Every round and what follows from it."""
        ratio = statistics.median(self.ours) / statistics.median(self.reference)
        fields = dataclasses.asdict(self) | {"target": str(self.target) if self.target else None}
        return {"case": fields.pop("name"), **fields, "ratio": ratio, "met": self.met}


HEADINGS = ["case", "ours", "reference", "ratio", "ours, mean", "reference, mean", "ratio", "target", "met"]


def table(rows: list[LoadRow | ValueRow]) -> str:
    """The rows as a Markdown table with aligned columns."""
    cells = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
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
