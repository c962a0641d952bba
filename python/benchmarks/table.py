# SPDX-License-Identifier: Apache-2.0
"""Markdown of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .bars import BROKEN, ERROR_LIMIT, Bar, bars
from .engines import COLUMNS, FORWARD, GRADIENT, PYTORCH, RUNTIMES
from .networks import NETWORKS
from .results import Results
from .routines import ROUTINES

EMPTY = ""
#: Threads that still spin when their engine's turn is over, and the odd daemon, keep processors this busy.
QUIET = 0.2


def grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table that is a table in a terminal too."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    rule = ["-" * width if column == 0 else "-" * (width - 1) + ":" for column, width in enumerate(widths)]

    def text(cells: Sequence[str]) -> str:
        padded = [cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(cells, widths))]
        return f"| {' | '.join(padded)} |"

    return "\n".join([text(lines[0]), text(rule), *map(text, lines[1:])])


def milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return EMPTY
    value = 1e3 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percent(part: float | None, whole: float | None) -> str:
    return f"{100 * part / whole:.0f} %" if part and whole else EMPTY


def times(value: float | None) -> str:
    return EMPTY if value is None else f"{value:.2f}×"


def error(value: float | None) -> str:
    return EMPTY if value is None else f"{value:.1e}"


def markdown(results: Results) -> str:
    parts = [
        "# cnnlens and its peers",
        heading(results),
        *section("What was promised", promises(results)),
        *passes(results),
        *section("Distance to float64, relative L2", errors(results)),
        *section("Whole routines, one picture, ms", routines(results)),
        *section("One process", costs(results)),
        *section("Empty columns and cells", gaps(results)),
    ]
    return "\n\n".join(parts) + "\n"


def section(title: str, body: str) -> list[str]:
    return [f"## {title}", body] if body else []


def heading(results: Results) -> str:
    machine, settings = results.machine, results.settings
    versions = ", ".join(f"{name} {version}" for name, version in _distinct_versions(results))
    lines = [
        f"{machine['date']}, {machine['processor']}, {machine['processors']} processors. {versions}. float32, seeded"
        f" random weights. Engines take turns in one run: medians of {_rounds(results)}. `make bench`"
        " repeats it. torch.compile is given the BN-folded network in channels_last.",
    ]
    for threads in settings["threads"]:
        found = {kind: results.peak_over_the_run(threads, kind) for kind in ("fma", "sgemm")}
        words = [
            f"{name} {rates[0] / 1e9:.0f} GFLOP/s (best {rates[1] / 1e9:.0f})"
            for name, rates in (("multiply-adds in registers", found["fma"]), ("sgemm", found["sgemm"]))
            if rates
        ]
        if words:
            lines.append(f"The machine meanwhile, {_threads(threads)}: {', '.join(words)}.")
    busy = machine.get("busy")
    if busy is not None:
        disturbed = " That is too much: repeat it on a quiet machine." if busy > QUIET else ""
        lines.append(f"Between two engines' turns the processors were {100 * busy:.0f} % busy.{disturbed}")
    return "\n".join(lines)


def _rounds(results: Results) -> str:
    """How many a median is of: a long routine has fewer than were asked for."""
    counts = [len(row.seconds) for row in results.measurements if row.seconds] or [results.settings["rounds"]]
    few, many = min(counts), max(counts)
    return f"{many} rounds" if few == many else f"{few} to {many} rounds"


def promises(results: Results) -> str:
    """A row a network, a column a promise; errors have a table of their own."""
    every = bars(results)
    if not every:
        return EMPTY
    kept = sum(bar.mark != BROKEN for bar in every)
    parts = [
        f"{kept} of {len(every)} bars are kept. Cells: measured / promised, {_threads(results.most_threads)}. Gradient:"
        " forward and input gradient over the fastest PyTorch column. Forward: over the faster of ONNX Runtime and"
        " OpenVINO. Explanations: over the fastest of Captum's columns. Pictures and PGD: over a loop in PyTorch,"
        " channels_last."
    ]
    cells = {(bar.network, bar.title): bar.text for bar in every if bar.network and bar.pytorch is None}
    titles = list(dict.fromkeys(title for _, title in cells))
    rows = [
        [name, *(cells.get((network, title), EMPTY) for title in titles)]
        for network, (name, _) in NETWORKS.items()
        if any(network == measured for measured, _ in cells)
    ]
    if rows:
        parts.append(grid(["", *titles], rows))
    parts.append("\n".join(f"- {bar.title}: {bar.text}" for bar in every if not bar.network))
    return "\n\n".join(filter(None, parts))


def passes(results: Results) -> list[str]:
    """A section for each task, batch and number of threads."""
    parts: list[str] = []
    batches = sorted({row.batch for row in results.measurements if row.task in (FORWARD, GRADIENT)})
    for threads in results.settings["threads"]:
        for batch in batches:
            for task, words, rivals in (
                (GRADIENT, "Forward and input gradient", PYTORCH),
                (FORWARD, "Forward", PYTORCH + RUNTIMES),
            ):
                body = pass_table(results, task, batch, threads, rivals)
                parts += section(f"{words}, batch {batch}, {_threads(threads)}, ms", body)
    return parts


def pass_table(results: Results, task: str, batch: int, threads: int, rivals: Sequence[str]) -> str:
    engines = [name for name in results.engines if task in COLUMNS[name].tasks]
    header = ["", *(COLUMNS[name].title for name in engines), "fastest peer ÷ cnnlens", "GFLOP/s", "of FMA", "of sgemm"]
    rows = []
    for network, (title, _) in NETWORKS.items():
        case = network, batch, threads, task
        medians = [results.median(*case, name) for name in engines]
        if not any(medians):
            continue
        rate = results.rate(*case, "cnnlens")
        rows.append(
            [title, *map(milliseconds, medians), times(results.ratio(*case, rivals))]
            + [f"{rate / 1e9:.0f}" if rate else EMPTY]
            + [percent(rate, results.peak(network, batch, threads, kind)) for kind in ("fma", "sgemm")]
        )
    return grid(header, rows) if rows else EMPTY


def errors(results: Results) -> str:
    found = {(bar.network, bar.title): bar for bar in bars(results) if bar.pytorch is not None}
    if not found:
        return EMPTY
    rows = []
    for network, (title, _) in NETWORKS.items():
        cells = []
        for name in ("output error", "gradient error"):
            bar: Bar | None = found.get((network, name))
            cells += [bar.text if bar else EMPTY, error(bar.pytorch or None) if bar else EMPTY]
        peers = [results.largest_error(network, FORWARD, [name]) for name in RUNTIMES]
        if any(cells):
            rows.append([title, *cells, *map(error, peers)])
    titles = [COLUMNS[name].title for name in RUNTIMES]
    header = ["", "output", "PyTorch's", "gradient", "PyTorch's", *(f"output, {title}" for title in titles)]
    note = (
        f"✓: at most {ERROR_LIMIT:g}. ≈: above, but at most twice as far as PyTorch's own float32: near a kink rounding"
        " decides whether a unit passes its gradient. The largest over batches, threads and PyTorch's columns."
    )
    return f"{note}\n\n{grid(header, rows)}"


def routines(results: Results) -> str:
    engines = [name for name in results.engines if COLUMNS[name].has_routines]
    peers = [name for name in engines if COLUMNS[name].is_peer]
    rows = []
    for task, routine in ROUTINES.items():
        for network in routine.networks:
            case = network, 1, results.most_threads, task
            medians = [results.median(*case, name) for name in engines]
            if any(medians):
                cells = [*map(milliseconds, medians), times(results.ratio(*case, peers))]
                rows.append([routine.title, NETWORKS[network][0], *cells])
    titles = [COLUMNS[name].title for name in engines]
    note = "PyTorch's columns are Captum's explanations, and loops as one writes them for pictures and PGD."
    return f"{note}\n\n{grid(['', 'network', *titles, 'fastest peer ÷ cnnlens'], rows)}" if rows else EMPTY


def costs(results: Results) -> str:
    rows = []
    for kind, title, scale, unit in (
        ("memory", "peak memory of one ResNet-50 saliency map", 1e-6, "MB"),
        ("import", "import, over NumPy's", 1e3, "ms"),
    ):
        values = [results.cost(kind, name) for name in ("pytorch", "cnnlens")]
        if any(values):
            rows.append([title, *(f"{scale * value:.0f} {unit}" if value else EMPTY for value in values)])
    return grid(["", "PyTorch + Captum", "cnnlens"], rows) if rows else EMPTY


def gaps(results: Results) -> str:
    lines = [f"- {COLUMNS[name].title}: {why}" for name, why in results.missing.items()]
    cells: dict[tuple[str, str], list[str]] = {}
    for row in results.measurements:
        if row.why_not is not None:
            place = f"{NETWORKS[row.network][0]} {row.task} batch {row.batch}"
            cells.setdefault((row.engine, row.why_not), []).append(place)
    for (engine, why), places in cells.items():
        lines.append(f"- {COLUMNS[engine].title}, {', '.join(dict.fromkeys(places))}: {why}")
    for kind, values in results.footprint.items():
        lines += [f"- {kind} of {name}: {found['error']}" for name, found in values.items() if "error" in found]
    return "\n".join(lines)


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _distinct_versions(results: Results) -> list[tuple[str, str]]:
    """PyTorch and cnnlens once, though they have several columns."""
    own = dict.fromkeys(PYTORCH, "PyTorch") | {name: "cnnlens" for name in COLUMNS if not COLUMNS[name].is_peer}
    names = {own.get(name, COLUMNS[name].title): version for name, version in results.versions.items()}
    return list(names.items())
