# SPDX-License-Identifier: Apache-2.0
"""Zero copy, threads, fork, Ctrl-C, and what importing costs."""

import gc
import multiprocessing
import os
import pathlib
import resource
import signal
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest
from conftest import small_network

import cnnlens as cl
from cnnlens import _native


def session_of(net):
    return _native.Session(net._raw)


# ---- zero copy


def test_results_are_written_into_the_callers_memory(net, batch):
    out = np.full((3, 5), np.nan, np.float32)
    address = out.ctypes.data
    session_of(net).run(["y"], [batch], [out])
    assert out.ctypes.data == address and np.isfinite(out).all()
    np.testing.assert_array_equal(out, net(batch))
    part = np.full((5, 5), np.nan, np.float32)
    session_of(net).run(["y"], [batch], [part[1:4]])
    np.testing.assert_array_equal(part[1:4], out)
    assert np.isnan(part[0]).all() and np.isnan(part[4]).all()


def test_raw_input_is_used_as_it_is(net, batch):
    assert np.shares_memory(net.given(batch).array, batch)
    before = batch.copy()
    cl.saliency(net, batch)
    np.testing.assert_array_equal(batch, before)
    read_only = batch.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(net(read_only), net(batch))


def test_strided_input_gives_the_same_numbers(net, batch):
    np.testing.assert_array_equal(net(batch[::-1]), net(np.ascontiguousarray(batch[::-1])))
    np.testing.assert_array_equal(net(np.asfortranarray(batch)), net(batch))


@pytest.mark.parametrize(
    ("out", "says"),
    [
        (np.zeros((3, 5)), "float32"),
        (np.zeros((5, 3), np.float32).T, "contiguous"),
        (np.zeros((3, 6), np.float32), "3×6"),
        (np.zeros((3, 5), ">f4"), "float32"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(net, batch, out, says):
    with pytest.raises(cl.InvalidArgument, match=says):
        session_of(net).run(["y"], [batch], [out])


def test_read_only_outputs_are_refused(net, batch):
    out = np.zeros((3, 5), np.float32)
    out.flags.writeable = False
    with pytest.raises(cl.InvalidArgument, match="read-only"):
        session_of(net).run(["y"], [batch], [out])
    assert not out.any()


def test_a_thousand_calls_leave_no_memory_behind(net, batch):
    def calls(count):
        for _ in range(count):
            net(batch)
            cl.saliency(net, batch, 1)

    calls(50)
    gc.collect()
    tracemalloc.start()
    before, resident = tracemalloc.get_traced_memory()[0], resident_bytes()
    calls(500)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 50_000
    assert resident_bytes() - resident < 8_000_000


def resident_bytes():
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def test_errors_leave_no_memory_behind(net, batch):
    def calls(count):
        for _ in range(count):
            with pytest.raises(cl.NotFound):
                net.run(batch, ["nothing"])
            with pytest.raises(cl.InvalidArgument):
                net(batch[:, :2])

    calls(20)
    resident = resident_bytes()
    calls(300)
    assert resident_bytes() - resident < 8_000_000


# ---- threads and processes


def test_threads_share_a_network(net, batch):
    expected = np.asarray(cl.saliency(net, batch, 2))
    wrong = []

    def work():
        for _ in range(30):
            if not np.array_equal(np.asarray(cl.saliency(net, batch, 2)), expected):
                wrong.append(threading.get_ident())

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_one_session_serves_one_thread_at_a_time(built_in):
    session = session_of(built_in)
    x = np.zeros((2, 3, 224, 224), np.float32)
    refusals = []

    def work():
        try:
            session.run(built_in.outputs, [x], [np.empty((2, 1000), np.float32)])
        except cl.InvalidArgument as error:
            refusals.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(refusals) <= 3 and "in use" in refusals[0]


def test_the_lock_is_released_while_computing(built_in):
    x = np.zeros((8, 3, 224, 224), np.float32)
    done = threading.Event()

    def work():
        built_in(x)
        done.set()

    worker = threading.Thread(target=work)
    worker.start()
    ticks = 0
    while not done.is_set():
        time.sleep(0.001)
        ticks += 1
    worker.join()
    assert ticks > 5


def test_a_forked_child_computes(net, batch):
    expected = net(batch)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # no pytest in here
        try:
            same = np.array_equal(net(batch), expected)
            os.write(write, b"same" if same else b"different")
        except BaseException as error:
            os.write(write, repr(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    said = b""
    while chunk := os.read(read, 100):
        said += chunk
    os.close(read)
    os.waitpid(child, 0)
    assert said == b"same"


def _logits(batch):
    return cl.load(small_network(size=32))(batch)


def test_a_pool_of_processes_computes(net, batch):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        for found in pool.map_async(_logits, [batch] * 4).get(timeout=60):
            np.testing.assert_array_equal(found, net(batch))


# ---- Ctrl-C


def test_ctrl_c_stops_a_call(built_in):
    x = np.zeros((16, 3, 224, 224), np.float32)
    # A shell that starts the tests in the background has them ignore the signal.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    end = time.perf_counter() + 20
    try:
        with pytest.raises(KeyboardInterrupt):
            while time.perf_counter() < end:
                cl.saliency(built_in, x)
    finally:
        timer.join()
        signal.signal(signal.SIGINT, handler)
    assert built_in(x[:1]).shape == (1, 1000)


# ---- import


def test_importing_loads_numpy_and_nothing_else_heavy():
    code = "import sys, cnnlens; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in loaded
    assert not {"PIL", "matplotlib", "onnx", "torch", "scipy", "asyncio"} & set(loaded)


def test_import_time_over_numpys():
    def seconds(code):
        """CPU time, the least of five runs: the machine may be busy."""
        runs = []
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-c", code], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            runs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(runs)

    over = seconds("import cnnlens") - seconds("import numpy")
    print(f"import cnnlens takes {1000 * over:.0f} ms more than import numpy")
    assert over < 0.25


def test_every_public_name_is_documented():
    for name in cl.__all__:
        if name != "__version__":
            assert getattr(cl, name).__doc__, name
    assert all(hasattr(cl, name) for name in cl.__all__)


def test_errors_are_one_tree():
    for error in (cl.InvalidArgument, cl.NotFound, cl.ModelError, cl.Cancelled, cl.OutOfMemory):
        assert issubclass(error, cl.Error)
    assert issubclass(cl.InvalidArgument, ValueError) and issubclass(cl.NotFound, LookupError)


def test_native_objects_cannot_be_made_from_nothing():
    for kind in (_native.Model, _native.Objective):
        with pytest.raises(TypeError):
            kind()
    with pytest.raises(TypeError):
        _native.Session("x")
