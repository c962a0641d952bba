# SPDX-License-Identifier: Apache-2.0
"""What one run found, as results.json holds it."""

from __future__ import annotations

import dataclasses
import functools
import json
import statistics
from collections.abc import Collection, Iterable
from typing import Any

from .engines import COLUMNS
from .rounds import Measurement

Key = tuple[str, int, int, str, str]


@dataclasses.dataclass
class Results:
    machine: dict[str, Any]
    settings: dict[str, Any]
    #: Engine -> version, for those that ran.
    versions: dict[str, str]
    #: Engine -> why its column is empty.
    missing: dict[str, str]
    #: Network -> {"macs": multiply-accumulates of one picture}
    networks: dict[str, dict[str, Any]]
    measurements: list[Measurement]
    #: FLOP/s of "fma" and "sgemm" beside each network, batch and number of threads.
    peaks: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    #: {"import" or "memory": {"cnnlens" or "pytorch": {"value": ...} or {"error": ...}}}
    footprint: dict[str, dict[str, dict[str, Any]]] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def by_key(self) -> dict[Key, Measurement]:
        """Asked for when the run is over."""
        return {measurement.key: measurement for measurement in self.measurements}

    @property
    def most_threads(self) -> int:
        return int(max(self.settings["threads"]))

    @property
    def engines(self) -> list[str]:
        """Those that were asked for, in the order of the columns."""
        asked = {row.engine for row in self.measurements} | set(self.missing)
        return [name for name in COLUMNS if name in asked]

    def find(self, network: str, batch: int, threads: int, task: str, engine: str) -> Measurement | None:
        return self.by_key.get((network, batch, threads, task, engine))

    def median(self, network: str, batch: int, threads: int, task: str, engine: str) -> float | None:
        """Seconds."""
        found = self.find(network, batch, threads, task, engine)
        return statistics.median(found.seconds) if found and found.seconds else None

    def fastest(self, network: str, batch: int, threads: int, task: str, engines: Iterable[str]) -> str | None:
        times = {engine: self.median(network, batch, threads, task, engine) for engine in engines}
        measured = {engine: seconds for engine, seconds in times.items() if seconds is not None}
        return min(measured, key=measured.__getitem__, default=None)

    def ratio(self, network: str, batch: int, threads: int, task: str, rivals: Iterable[str]) -> float | None:
        """How many times the fastest of ``rivals`` takes as long as cnnlens: a quotient of medians."""
        rival = self.fastest(network, batch, threads, task, rivals)
        own = self.median(network, batch, threads, task, "cnnlens")
        theirs = self.median(network, batch, threads, task, rival) if rival else None
        return theirs / own if own and theirs else None

    def spread(self, network: str, batch: int, threads: int, task: str, rival: str) -> tuple[float, float] | None:
        """Quartiles of the same quotient taken round by round."""
        ours = self.find(network, batch, threads, task, "cnnlens")
        theirs = self.find(network, batch, threads, task, rival)
        if not ours or not theirs or min(len(ours.seconds), len(theirs.seconds)) < 2:
            return None
        low, _, high = statistics.quantiles([b / a for a, b in zip(ours.seconds, theirs.seconds)], method="inclusive")
        return low, high

    def largest_error(self, network: str, task: str, engines: Collection[str]) -> float | None:
        """Over batches, numbers of threads and ``engines``."""
        rows = [row for row in self.measurements if (row.network, row.task) == (network, task)]
        return max((row.error for row in rows if row.engine in engines and row.error is not None), default=None)

    def peak(self, network: str, batch: int, threads: int, kind: str) -> float | None:
        """FLOP/s, the median over the rounds beside which a network was measured."""
        for row in self.peaks:
            if (row["network"], row["batch"], row["threads"]) == (network, batch, threads) and row.get(kind):
                return float(statistics.median(row[kind]))
        return None

    def peak_over_the_run(self, threads: int, kind: str) -> tuple[float, float] | None:
        """Median and best."""
        rates = [rate for row in self.peaks if row["threads"] == threads for rate in row.get(kind, [])]
        return (statistics.median(rates), max(rates)) if rates else None

    def rate(self, network: str, batch: int, threads: int, task: str, engine: str) -> float | None:
        """FLOP/s, counting two for a multiply-accumulate and a gradient as much as forward."""
        seconds = self.median(network, batch, threads, task, engine)
        macs = self.networks.get(network, {}).get("macs")
        if seconds is None or macs is None:
            return None
        return float(2 * macs * batch * (2 if task == "gradient" else 1) / seconds)

    def cost(self, kind: str, engine: str) -> float | None:
        value = self.footprint.get(kind, {}).get(engine, {}).get("value")
        return None if value is None else float(value)

    def to_json(self, bars: Iterable[Any] = ()) -> str:
        """Text that `from_json` reads; ``bars`` are written for other readers."""
        content = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        rows = [_compact(dataclasses.asdict(row)) for row in self.measurements]
        tables = {
            "bars": [_compact(dataclasses.asdict(bar)) | {"mark": bar.mark} for bar in bars],
            "measurements": rows,
            "peaks": self.peaks,
        }
        # A line a row, which is as short as it can be read and compared.
        parts = [f'"{name}": {json.dumps(_rounded(value))}' for name, value in content.items() if name not in tables]
        for name, lines in tables.items():
            parts.append(f'"{name}": [\n' + ",\n".join(json.dumps(_rounded(line)) for line in lines) + "\n]")
        return "{\n" + ",\n".join(parts) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        content = json.loads(text)
        content.pop("bars", None)
        content["measurements"] = [Measurement(**row) for row in content["measurements"]]
        return cls(**content)


def _compact(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def _rounded(value: Any) -> Any:
    """Five significant digits of every number."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value
