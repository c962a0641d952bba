# SPDX-License-Identifier: Apache-2.0
"""Measuring: engines take turns, round after round, so that a slow minute of the machine is slow for all."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .engines import COLUMNS, FORWARD, GRADIENT, TASKS, Array
from .routines import ROUTINES, agreement
from .workers import Failure, Worker

#: Relative L2 distances to float64 from which on a result counts as wrong. Near a kink rounding decides whether a unit
#: passes its gradient, so correct float32 gradients of deep rectifier networks are percents apart.
WRONG = {FORWARD: 1e-3, GRADIENT: 0.1}


@dataclasses.dataclass
class Settings:
    threads: tuple[int, ...] = (2, 1)
    rounds: int = 7
    #: Seconds between two engines: threads that wait for work spin for some milliseconds before they sleep.
    pause: float = 0.04
    #: Seconds that one timing should last at least; short networks are called several times.
    shortest: float = 0.05
    #: Seconds for the rounds of a long routine; the first is finished in any case.
    routine_budget: float = 120.0
    #: Seconds for the first call of an engine that compiles.
    compile_patience: float = 240.0


@dataclasses.dataclass
class Measurement:
    """One row of results.json: an engine at one task, or why it has no times."""

    network: str
    batch: int
    threads: int
    task: str
    engine: str
    seconds: list[float] = dataclasses.field(default_factory=list)
    #: Relative L2 distance to float64 for a pass; for a routine the cosine between its map and the first engine's.
    error: float | None = None
    agreement: float | None = None
    why_not: str | None = None

    @property
    def key(self) -> tuple[str, int, int, str, str]:
        return self.network, self.batch, self.threads, self.task, self.engine


def distance(found: Array, expected: Array) -> float:
    """Relative L2; infinite when the shapes differ or anything is not a number."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return math.inf
    difference = found.astype(np.float64) - expected
    return float(np.linalg.norm(difference) / np.linalg.norm(expected))


def calls_for(seconds: float, shortest: float) -> int:
    """How many calls last at least ``shortest``."""
    return max(1, math.ceil(shortest / max(seconds, 1e-9)))


def turns(count: int, first: int) -> list[int]:
    """Everybody once, and in each round somebody else first."""
    return [(first + position) % count for position in range(count)]


class Idleness:
    """How busy the processors are while no engine has work: with that of others, or with threads that spin."""

    def __init__(self) -> None:
        self.busy = self.total = 0

    @staticmethod
    def ticks() -> tuple[int, int]:
        """Busy and all, since the machine started."""
        try:
            fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
        except OSError:
            return 0, 0
        user, nice, system, idle, waiting, *interrupts = map(int, fields)
        busy = user + nice + system + sum(interrupts)
        return busy, busy + idle + waiting

    def sleep(self, seconds: float) -> None:
        before = self.ticks()
        time.sleep(seconds)
        after = self.ticks()
        self.busy += after[0] - before[0]
        self.total += after[1] - before[1]

    @property
    def share(self) -> float | None:
        """Of the processors' time that was used by others; None where it cannot be known."""
        return self.busy / self.total if self.total else None


class Bench:
    """Workers by name, and what they have measured so far."""

    def __init__(self, workers: dict[str, Worker], settings: Settings, scratch: Path, say: Callable[[str], None]):
        self.workers = workers
        self.settings = settings
        self.scratch = scratch
        self.say = say
        self.measurements: list[Measurement] = []
        self.peaks: list[dict[str, Any]] = []
        self.idleness = Idleness()
        #: (threads) -> FLOP/s by kind; set by the driver.
        self.measure_peaks: Callable[[int], dict[str, float]] = lambda threads: {}

    def passes(self, folder: Path, batch: int) -> None:
        """Forward, and forward with input gradient, of one network and batch size."""
        self.say(f"{folder.name}, batch {batch}")
        failures = self._load(list(self.workers), folder, batch)
        peaks: dict[int, dict[str, list[float]]] = {threads: {} for threads in self.settings.threads}
        for task in TASKS:
            rows = [
                Measurement(folder.name, batch, threads, task, name, why_not=failures.get(name))
                for name in self.workers
                for threads in self.settings.threads
                if task in COLUMNS[name].tasks
                and not (COLUMNS[name].is_slow_to_prepare and threads != max(self.settings.threads))
            ]
            expected = np.load(folder / f"{task}.npy")[:batch]
            for row in rows:
                self._attempt(row, lambda row: self._check_pass(row, expected))  # noqa: B023
            self._rounds(rows, peaks)
            self.measurements += rows
        for threads, kinds in peaks.items():
            self.peaks.append({"network": folder.name, "batch": batch, "threads": threads} | kinds)

    def routine(self, name: str, folder: Path) -> None:
        """One routine on one picture, with the largest number of threads."""
        self.say(f"{folder.name}, {ROUTINES[name].title}")
        engines = [engine for engine in self.workers if COLUMNS[engine].has_routines]
        failures = self._load(engines, folder, 1)
        threads = max(self.settings.threads)
        rows = [Measurement(folder.name, 1, threads, name, engine, why_not=failures.get(engine)) for engine in engines]
        expected: list[Array] = []
        for row in rows:
            self._attempt(row, lambda row: self._check_routine(row, expected))
        self._rounds(rows, {}, self.settings.routine_budget if ROUTINES[name].is_long else math.inf)
        self.measurements += rows

    def _load(self, engines: Sequence[str], folder: Path, batch: int) -> dict[str, str]:
        failures = {}
        for name in engines:
            threads = [max(self.settings.threads)] if COLUMNS[name].is_slow_to_prepare else [*self.settings.threads]
            try:
                self.workers[name].ask("load", folder=str(folder), batch=batch, threads=threads)
            except Failure as failure:
                failures[name] = str(failure)
        return failures

    def _attempt(self, row: Measurement, step: Callable[[Measurement], None]) -> None:
        """Does ``step`` unless something failed before; a failure is noted in the row, which then has no times."""
        if row.why_not is not None:
            return
        try:
            step(row)
        except Failure as failure:
            row.why_not, row.seconds = str(failure), []

    def _compute(self, row: Measurement) -> Array:
        path = self.scratch / f"{row.engine}.npy"
        slow = COLUMNS[row.engine].is_slow_to_prepare
        patience = self.settings.compile_patience if slow else 1200.0
        self.workers[row.engine].ask("compute", patience, task=row.task, threads=row.threads, to=str(path))
        return np.asarray(np.load(path))

    def _check_pass(self, row: Measurement, expected: Array) -> None:
        row.error = distance(self._compute(row), expected)
        if row.error > WRONG[row.task]:
            raise Failure(f"wrong: relative distance {row.error:.1e} to float64")

    def _check_routine(self, row: Measurement, expected: list[Array]) -> None:
        found = self._compute(row)
        if not expected:
            expected.append(found)
        row.agreement = agreement(found, expected[0])
        if row.agreement < ROUTINES[row.task].agreement:
            raise Failure(f"wrong: its map agrees with the first engine's to {row.agreement:.3f} only")

    def _rounds(
        self, rows: list[Measurement], peaks: dict[int, dict[str, list[float]]], budget: float = math.inf
    ) -> None:
        calls: dict[int, int] = {}

        def measure(row: Measurement) -> None:
            count = calls.get(id(row), 1)
            worker = self.workers[row.engine]
            arguments = {"task": row.task, "threads": row.threads, "calls": count, "warm": int(count > 1)}
            row.seconds.append(worker.ask("time", 1200.0, **arguments))

        def calibrate(row: Measurement) -> None:
            measure(row)
            calls[id(row)] = calls_for(row.seconds.pop(), self.settings.shortest)

        if budget == math.inf:
            for row in rows:
                self._attempt(row, calibrate)
        start = time.monotonic()
        for number in range(self.settings.rounds):
            for position in turns(len(rows), number):
                self.idleness.sleep(self.settings.pause)
                self._attempt(rows[position], measure)
            for threads, kinds in peaks.items():
                self.idleness.sleep(self.settings.pause)
                for kind, rate in self.measure_peaks(threads).items():
                    kinds.setdefault(kind, []).append(rate)
            if time.monotonic() - start > budget:
                break
