# SPDX-License-Identifier: Apache-2.0
"""Times cnnlens beside PyTorch, ONNX Runtime and OpenVINO, and prints a table of ratios.

A run of everything takes two hours or so (torch.compile alone takes minutes a network) and writes results.md and
results.json beside this file; a run of less leaves them alone and writes into the cache folder.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import importlib.util
import json
import os
import platform
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from . import footprint, networks, peaks
from .bars import bars
from .engines import COLUMNS, PYTORCH
from .networks import LARGEST_BATCH, NETWORKS
from .results import Results
from .rounds import Bench, Settings
from .routines import ROUTINES
from .table import markdown
from .workers import Failure, Worker

HERE = Path(__file__).resolve().parent
CACHE = networks.ROOT / ".build" / "bench"
QUICK = ("squeezenet1_1", "mobilenet_v2", "resnet50")


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--networks", nargs="+", choices=NETWORKS, metavar="NAME", help=f"of {', '.join(NETWORKS)}")
    add("--engines", nargs="+", choices=COLUMNS, metavar="NAME", help=f"of {', '.join(COLUMNS)}")
    add("--batches", nargs="+", type=int, choices=range(1, 9), metavar="N", help="1 and 8 unless told, at most 8")
    add("--threads", nargs="+", type=int, metavar="N", help="2 and 1 unless told")
    add("--rounds", type=int, metavar="N", help="7 unless told")
    add("--routines", nargs="*", choices=ROUTINES, metavar="NAME", help=f"of {', '.join(ROUTINES)}; no name, none")
    add("--no-passes", action="store_true", help="routines only")
    add("--quick", action="store_true", help=f"3 rounds at batch 1 of {', '.join(QUICK)}, and short routines")
    add(
        "--compile",
        action=argparse.BooleanOptionalAction,
        help="with or without the torch.compile column; without it unless everything is run. It takes a minute or more"
        " for each network and batch before the first time, and is given up after four",
    )
    add("--cache", type=Path, default=CACHE, metavar="FOLDER", help="networks and logs, kept between runs (4 GB)")
    add("--output", type=Path, metavar="FOLDER", help="where results.md and results.json are written")
    add("--render", type=Path, metavar="RESULTS.JSON", help="only write the table of an earlier run again")
    chosen = parser.parse_args(arguments)
    narrowed = ("networks", "engines", "batches", "threads", "rounds", "routines", "no_passes", "quick")
    is_everything = not any(getattr(chosen, name) not in (None, False) for name in narrowed)
    # What is not given depends on whether it is to be quick.
    chosen.rounds = chosen.rounds or (3 if chosen.quick else Settings.rounds)
    chosen.batches = chosen.batches or ([1] if chosen.quick else [1, 8])
    chosen.threads = sorted(set(chosen.threads or Settings.threads), reverse=True)
    chosen.output = chosen.output or (HERE if is_everything else chosen.cache)
    if chosen.compile is None:
        chosen.compile = is_everything
    if chosen.routines is None:
        chosen.routines = [name for name in ROUTINES if not (chosen.quick and ROUTINES[name].is_long)]
    if chosen.networks is None:
        chosen.networks = list(QUICK if chosen.quick else NETWORKS)
    if chosen.engines is None:
        chosen.engines = [name for name in COLUMNS if name != "compile"]
    if chosen.compile and "compile" not in chosen.engines:
        chosen.engines.append("compile")
    chosen.engines = [name for name in COLUMNS if name in chosen.engines]
    return chosen


def say(text: str) -> None:
    print(f"{datetime.datetime.now():%H:%M:%S} {text}", file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    widest = next((name for name in ("avx512f", "avx2") if name in flags), None)
    processor = names[0] if names else platform.machine()
    return {
        "date": datetime.date.today().isoformat(),
        "processor": f"{processor} ({widest})" if widest else processor,
        "processors": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
    }


def start(names: Sequence[str], logs: Path) -> tuple[dict[str, Worker], dict[str, str], dict[str, str]]:
    """Workers that run, their engines' versions, and why the others are missing."""
    workers, versions, missing = {}, {}, {}
    for name in names:
        log = logs / f"{name}.log"
        log.unlink(missing_ok=True)
        worker = Worker(name, log)
        try:
            versions[name] = worker.start()
            workers[name] = worker
        except Failure as failure:
            missing[name] = str(failure)
            say(f"{COLUMNS[name].title} is missing: {failure}")
    return workers, versions, missing


def made(name: str, cache: Path) -> Path | None:
    try:
        return networks.make(name, cache)
    except ImportError as error:
        say(f"{NETWORKS[name][0]} cannot be made: {error}")
        return None


def existing(routines: Sequence[str]) -> list[str]:
    """Those that cnnlens has."""
    import cnnlens as cl

    absent = [name for name in routines if not hasattr(cl, ROUTINES[name].needs)]
    if absent:
        say(f"cnnlens does not have {', '.join(absent)} yet")
    return [name for name in routines if name not in absent]


def measure_footprint(folder: Path) -> dict[str, dict[str, Any]]:
    say("import time and memory")
    known = [name for name in footprint.NAMES if name == "cnnlens" or importlib.util.find_spec("captum")]
    return {
        "memory": {name: footprint.measure("memory", name, folder, repeats=3) for name in known},
        "import": {name: footprint.measure("import", name) for name in known},
    }


def run(chosen: argparse.Namespace) -> Results:
    cache: Path = chosen.cache.resolve()
    (cache / "logs").mkdir(parents=True, exist_ok=True)
    wanted = dict.fromkeys([*chosen.networks, *(["resnet50"] if chosen.routines else [])])
    folders = {name: folder for name in wanted if (folder := made(name, cache / "networks"))}
    workers, versions, missing = start(chosen.engines, cache / "logs")
    settings = Settings(tuple(chosen.threads), chosen.rounds)
    bench = Bench(workers, settings, cache, say)
    bench.measure_peaks = peak_meter(workers, max(chosen.threads), peaks.build_fma(cache))
    results = Results(machine(), dataclasses.asdict(settings), versions, missing, {}, bench.measurements, bench.peaks)
    for name, folder in folders.items():
        results.networks[name] = {"macs": json.loads((folder / "network.json").read_text())["macs"]}
    # A shell that starts this in the background has it ignore the first of them.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        for name in [] if chosen.no_passes else chosen.networks:
            for batch in chosen.batches:
                if name in folders and batch <= LARGEST_BATCH[name]:
                    bench.passes(folders[name], batch)
                    (cache / "unfinished.json").write_text(results.to_json())
        for routine in existing(chosen.routines):
            for name in ROUTINES[routine].networks:
                if name in folders and name in chosen.networks:
                    bench.routine(routine, folders[name])
                    (cache / "unfinished.json").write_text(results.to_json())
    except KeyboardInterrupt:
        say("stopped; what was measured is written")
        folders = {}
    finally:
        for worker in workers.values():
            worker.stop()
    results.machine["busy"] = bench.idleness.share
    if "resnet50" in folders:
        results.footprint = measure_footprint(folders["resnet50"])
    return results


def peak_meter(workers: dict[str, Worker], most: int, program: Path | None) -> Callable[[int], dict[str, float]]:
    """A function from a number of threads, ``most`` or less, to FLOP/s by kind."""
    torch = next((workers[name] for name in PYTORCH if name in workers), None)

    def rates(threads: int) -> dict[str, float]:
        found = {}
        if program:
            found["fma"] = peaks.fma(program, threads)
        if torch is None and threads == most:
            found["sgemm"] = peaks.sgemm_of_numpy()
        elif torch is not None:
            with contextlib.suppress(Failure):
                found["sgemm"] = torch.ask("sgemm", threads=threads)
        return found

    return rates


def main() -> None:
    chosen = options()
    results = Results.from_json(chosen.render.read_text()) if chosen.render else run(chosen)
    text = markdown(results)
    print(text)
    output = chosen.render.parent if chosen.render else chosen.output
    output.mkdir(parents=True, exist_ok=True)
    (output / "results.md").write_text(text)
    (output / "results.json").write_text(results.to_json(bars(results)))
    say(f"written: {output / 'results.md'} and results.json")


if __name__ == "__main__":
    main()
