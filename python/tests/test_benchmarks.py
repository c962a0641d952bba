# SPDX-License-Identifier: Apache-2.0
"""What `make bench` computes from its measurements, and the pipe to its workers; no peer is needed."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__ as driver
from benchmarks.bars import AS_PYTORCH, BROKEN, KEPT, Bar, bars
from benchmarks.engines import COLUMNS, FORWARD, GRADIENT
from benchmarks.footprint import peak_memory
from benchmarks.networks import LARGEST_BATCH, NETWORKS
from benchmarks.peaks import best_product, build_fma, fma
from benchmarks.results import Results
from benchmarks.rounds import Bench, Idleness, Measurement, Settings, calls_for, distance, turns
from benchmarks.routines import ROUTINES, agreement
from benchmarks.table import grid, markdown, milliseconds
from benchmarks.worker import measure
from benchmarks.workers import Failure, Worker

#: A worker whose engine adds one to every picture, is wrong, is slow or dies, as its name says.
FAKE = """
import os, sys, time
import numpy as np
from benchmarks import worker

class Engine:
    def version(self):
        print("engines may print")
        return "1.5"
    def load(self, case): self.images = case.images
    def call(self, task, threads):
        kind = sys.argv[1]
        if kind == "dies": os._exit(3)
        if kind == "hangs": return lambda: time.sleep(60)
        if kind == "raises": raise ValueError("no\\n  kernel")
        return lambda: self.images + (2 if kind == "wrong" else 1)

worker.engines.make = lambda name: Engine()

worker.main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "alexnet"
    folder.mkdir()
    images = np.random.default_rng(0).random((2, 3, 4, 4), np.float32)
    np.save(folder / "images.npy", images)
    np.save(folder / "forward.npy", images.astype(np.float64) + 1)
    np.save(folder / "gradient.npy", images.astype(np.float64) + 1)
    (folder / "network.json").write_text(json.dumps({"name": "alexnet", "classes": [3, 4], "macs": 100}))
    return folder


@pytest.fixture
def fake(tmp_path: Path):
    """Makes workers, and ends them."""
    workers = []

    def make(kind: str) -> Worker:
        worker = Worker(kind, tmp_path / f"{kind}.log", [sys.executable, "-c", FAKE, kind])
        workers.append(worker)
        return worker

    yield make
    for worker in workers:
        worker.stop()


def results(*measurements: Measurement, **others) -> Results:
    machine = {"date": "2000-01-01", "processor": "abacus", "processors": 2}
    settings = {"threads": [2, 1], "rounds": 3}
    macs = {name: {"macs": 1_000_000} for name in NETWORKS}
    return Results(machine, settings, {"cnnlens": "0.1"}, {}, macs, list(measurements), **others)


def row(engine: str, *seconds: float, network="resnet50", batch=1, threads=2, task=GRADIENT, **others) -> Measurement:
    return Measurement(network, batch, threads, task, engine, list(seconds), **others)


# ---- ratios and bars


def test_a_ratio_is_the_median_of_the_fastest_rival_over_ours() -> None:
    found = results(row("cnnlens", 1, 2, 90), row("pytorch", 9, 8, 10), row("folded", 6, 5, 7), row("onnxruntime", 1))
    case = "resnet50", 1, 2, GRADIENT
    assert found.median(*case, "cnnlens") == 2
    assert found.fastest(*case, ("pytorch", "folded", "compile")) == "folded"
    assert found.ratio(*case, ("pytorch", "folded", "compile")) == 3
    assert found.spread(*case, "folded") == (pytest.approx((7 / 90 + 2.5) / 2), 4.25)


def test_nothing_measured_is_no_ratio() -> None:
    found = results(row("cnnlens", 1.0), row("pytorch", why_not="wrong"))
    assert found.ratio("resnet50", 1, 2, GRADIENT, ("pytorch",)) is None
    assert found.ratio("vgg16", 1, 2, GRADIENT, ("pytorch",)) is None
    assert bars(found) == []


@pytest.mark.parametrize(("network", "batch", "floor"), [("mobilenet_v2", 1, 3.0), ("mobilenet_v2", 8, 1.7)])
def test_a_floor_is_kept_from_its_value_on(network: str, batch: int, floor: float) -> None:
    def bar(ratio: float) -> Bar:
        case = {"network": network, "batch": batch}
        (found,) = bars(results(row("cnnlens", 1.0, **case), row("channels_last", ratio, **case)))
        return found

    assert bar(floor).mark == KEPT and bar(floor).against == "channels_last" and bar(floor).limit == floor
    assert bar(floor - 0.01).mark == BROKEN


def test_forward_is_held_against_the_runtimes_only() -> None:
    rows = [row(name, t, network="vgg16", task=FORWARD) for name, t in (("cnnlens", 1), ("openvino", 2), ("folded", 1))]
    (bar,) = bars(results(*rows))
    assert (bar.value, bar.limit, bar.against) == (2.0, 1.6, "openvino")


def test_the_table_tells_how_many_rounds_its_medians_are_of() -> None:
    assert "medians of 2 rounds" in markdown(results(row("cnnlens", 1, 2), row("pytorch", 3, 4)))
    assert "medians of 1 to 2 rounds" in markdown(results(row("cnnlens", 1, 2), row("pytorch", 3)))


@pytest.mark.parametrize(("task", "against"), [("grad_cam", "folded_channels_last"), ("pgd", "channels_last")])
def test_explanations_are_held_against_the_fastest_and_walks_against_channels_last(task: str, against: str) -> None:
    times = {"cnnlens": 1, "pytorch": 6, "channels_last": 5, "folded_channels_last": 4}
    (bar,) = bars(results(*(row(name, t, task=task) for name, t in times.items())))
    assert (bar.value, bar.against) == (times[against], against)


def test_scaling_compares_our_own_threads() -> None:
    (bar,) = bars(results(row("cnnlens", 1.0), row("cnnlens", 1.8, threads=1)))
    assert bar.value == 1.8 and bar.is_kept


@pytest.mark.parametrize(
    ("ours", "theirs", "mark"),
    [(9e-5, 1e-6, KEPT), (2e-3, 1.5e-3, AS_PYTORCH), (4e-3, 1.5e-3, BROKEN), (2e-4, 0, BROKEN)],
)
def test_an_error_is_small_or_like_pytorchs(ours: float, theirs: float, mark: str) -> None:
    (bar,) = bars(results(row("cnnlens", error=ours), row("pytorch", error=theirs)))
    assert bar.mark == mark


def test_memory_is_a_floor_and_import_a_ceiling() -> None:
    footprint = {
        "memory": {"cnnlens": {"value": 2e8}, "pytorch": {"value": 5e8}},
        "import": {"cnnlens": {"value": 0.2}, "pytorch": {"value": 3.0}},
    }
    memory, imported = bars(results(footprint=footprint))
    assert memory.value == 2.5 and memory.is_kept
    assert not imported.is_kept


def test_every_network_has_its_bars() -> None:
    everything = [
        row(engine, 1.0, network=network, batch=batch, threads=threads, task=task, error=1e-6)
        for network in NETWORKS
        for batch in {1, LARGEST_BATCH[network]}
        for threads in (1, 2)
        for task in (FORWARD, GRADIENT)
        for engine in COLUMNS
    ]
    found = bars(results(*everything))
    # Two tasks at batch 1 and 8 (the trunk at 1), scaling and error of both tasks.
    batches = sum(len({1, LARGEST_BATCH[network]}) for network in NETWORKS)
    assert len(found) == 2 * batches + 2 * len(NETWORKS) + 2 * len(NETWORKS)
    assert len({(bar.network, bar.title) for bar in found}) == len(found)


def test_rates_count_a_gradient_as_two_passes() -> None:
    found = results(row("cnnlens", 0.5, batch=8), row("cnnlens", 0.5, task=FORWARD))
    assert found.rate("resnet50", 8, 2, GRADIENT, "cnnlens") == 2 * 1e6 * 8 * 2 / 0.5
    assert found.rate("resnet50", 1, 2, FORWARD, "cnnlens") == 2 * 1e6 / 0.5


# ---- tables


def test_a_grid_is_aligned() -> None:
    assert grid(["", "ms"], [["a", "1"], ["long", "10.5"]]).splitlines() == [
        "|      |   ms |",
        "| ---- | ---: |",
        "| a    |    1 |",
        "| long | 10.5 |",
    ]


def test_milliseconds_have_three_digits() -> None:
    assert [milliseconds(s) for s in (None, 0.00123, 0.0456, 0.789, 1.5)] == ["", "1.23", "45.6", "789", "1500"]


def test_the_table_shows_times_ratios_and_gaps() -> None:
    found = results(
        row("cnnlens", 0.1, error=1e-6),
        row("folded", 0.2, error=1e-6),
        row("pytorch", why_not="wrong: far away"),
        row("cnnlens", 0.02, task="saliency"),
        row("pytorch", 0.03, task="saliency"),
        peaks=[{"network": "resnet50", "batch": 1, "threads": 2, "fma": [1e8, 3e8, 2e8], "sgemm": [8e7]}],
    )
    found.missing["openvino"] = "ModuleNotFoundError: No module named 'openvino'"
    text = markdown(found)
    (cells,) = [line for line in text.splitlines() if line.startswith("| ResNet-50") and "2.00×" in line]
    assert [cell.strip() for cell in cells.strip("|").split("|")][1:] == [
        "",
        "200",
        "100",
        "2.00×",
        "0",
        "20 %",
        "50 %",
    ]
    assert "✓ 2.00 / 1.7" in text and "1.50×" in text
    assert "- OpenVINO: ModuleNotFoundError" in text
    assert "- PyTorch eager, ResNet-50 gradient batch 1: wrong: far away" in text


def test_an_empty_run_has_a_table() -> None:
    assert markdown(results()).startswith("# cnnlens and its peers")


def test_results_are_read_back() -> None:
    found = results(row("cnnlens", 0.123456789, error=1e-6), row("pytorch", why_not="absent"))
    text = found.to_json(bars(found))
    again = Results.from_json(text)
    assert again.measurements == [row("cnnlens", 0.12346, error=1e-6), row("pytorch", why_not="absent")]
    assert markdown(again) == markdown(found)
    assert json.loads(text)["bars"][0]["mark"] == KEPT


# ---- measuring


def test_short_networks_are_called_often_enough() -> None:
    assert [calls_for(seconds, 0.05) for seconds in (1.0, 0.05, 0.03, 0.001, 0.0)] == [1, 1, 2, 50, 50_000_000]


def test_everybody_is_first_once() -> None:
    rounds = [turns(3, number) for number in range(3)]
    assert [order[0] for order in rounds] == [0, 1, 2]
    assert all(sorted(order) == [0, 1, 2] for order in rounds)


def test_calls_that_warm_up_are_not_timed() -> None:
    seen = []
    assert measure(lambda: seen.append(1), calls=3, warm=2) >= 0
    assert len(seen) == 5


def test_distance_is_relative_and_infinite_for_nonsense() -> None:
    assert distance(np.array([3.0, 4.5]), np.array([3.0, 4.0])) == 0.1
    assert distance(np.zeros(2), np.zeros(3)) == math.inf
    assert distance(np.array([np.nan]), np.ones(1)) == math.inf


def test_agreement_does_not_see_scale() -> None:
    assert agreement([1, 2], [10, 20]) == pytest.approx(1)
    assert agreement([1, 0], [0, 1]) == 0
    assert agreement([0, 0], [0, 1]) == 0


def test_the_best_product_is_a_rate() -> None:
    assert best_product(lambda m, n, k: lambda: None, [(2, 3, 4)]) > 0


def test_a_process_knows_its_peak() -> None:
    assert peak_memory() > 1e6
    share = Idleness()
    share.sleep(0.05)
    assert share.share is None or 0 <= share.share <= 1


def test_multiply_adds_are_counted(tmp_path: Path) -> None:
    program = build_fma(tmp_path)
    if program is None:
        pytest.skip("no C compiler")
    assert 1e8 < fma(program, 1, 5) < 1e13


# ---- workers


def test_a_worker_answers(fake, folder: Path, tmp_path: Path) -> None:
    worker = fake("right")
    assert worker.start() == "1.5"
    worker.ask("load", folder=str(folder), batch=2, threads=[2, 1])
    worker.ask("compute", task=FORWARD, threads=2, to=str(tmp_path / "out.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), np.load(folder / "images.npy") + 1)
    assert worker.ask("time", task=FORWARD, threads=1, calls=3, warm=1) > 0


def test_what_goes_wrong_is_a_failure_with_its_reason(fake, folder: Path) -> None:
    worker = fake("raises")
    with pytest.raises(Failure, match="was not started"):
        worker.ask("time", task=FORWARD, threads=2)
    worker.ask("load", folder=str(folder), batch=1, threads=[2])
    with pytest.raises(Failure, match="ValueError: no kernel"):
        worker.ask("time", task=FORWARD, threads=2)
    assert worker.ask("version") == "1.5"


def test_a_lost_worker_is_started_again_by_the_next_network(fake, folder: Path) -> None:
    for worker, reason in ((fake("dies"), "status 3"), (fake("hangs"), "no answer within")):
        for _ in range(2):
            worker.ask("load", folder=str(folder), batch=1, threads=[2])
            for _ in range(2):
                with pytest.raises(Failure, match=reason):
                    worker.ask("time", patience=0.2, task=FORWARD, threads=2)


def test_an_engine_that_cannot_be_imported_says_so(tmp_path: Path) -> None:
    worker = Worker("abacus", tmp_path / "log")
    with pytest.raises(Failure, match="KeyError: 'abacus'"):
        worker.start()
    worker.stop()


def test_engines_take_turns_and_a_wrong_one_has_no_time(fake, folder: Path, tmp_path: Path) -> None:
    workers = {
        "pytorch": fake("wrong"),
        "onnxruntime": fake("right"),
        "openvino": fake("dies"),
        "cnnlens": fake("right"),
    }
    said: list[str] = []
    bench = Bench(workers, Settings((2, 1), rounds=2, pause=0, shortest=1e-4), tmp_path, said.append)
    bench.measure_peaks = lambda threads: {"fma": 1e9 * threads}
    bench.passes(folder, 2)
    rows = {measurement.key[2:]: measurement for measurement in bench.measurements}
    assert said == ["alexnet, batch 2"]
    assert len(rows) == 2 * 4 + 2 * 2
    assert len(rows[2, FORWARD, "cnnlens"].seconds) == len(rows[1, GRADIENT, "cnnlens"].seconds) == 2
    assert rows[2, GRADIENT, "cnnlens"].error == pytest.approx(0, abs=1e-6)
    assert "float64" in str(rows[2, GRADIENT, "pytorch"].why_not) and not rows[2, GRADIENT, "pytorch"].seconds
    assert rows[1, FORWARD, "openvino"].why_not == "its process ended with status 3"
    assert bench.peaks[0] == {"network": "alexnet", "batch": 2, "threads": 2, "fma": [2e9] * 4}


# ---- options


def test_only_a_run_of_everything_writes_the_committed_table(tmp_path: Path) -> None:
    everything = driver.options([])
    assert everything.output == driver.HERE and everything.compile and everything.engines == list(COLUMNS)
    assert everything.networks == list(NETWORKS) and everything.batches == [1, 8] and everything.threads == [2, 1]
    for arguments in (["--quick"], ["--networks", "alexnet"], ["--rounds", "2"], ["--routines"], ["--no-passes"]):
        chosen = driver.options([*arguments, "--cache", str(tmp_path)])
        assert chosen.output == tmp_path and "compile" not in chosen.engines
    assert driver.options(["--quick", "--compile"]).engines == list(COLUMNS)
    assert "occlusion" not in driver.options(["--quick"]).routines
    assert driver.options([]).routines == list(ROUTINES)
    assert driver.options(["--networks", "alexnet", "--output", "here"]).output == Path("here")
