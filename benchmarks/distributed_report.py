"""The tables and the picture of ``distributed.py``, from docs/scale.csv alone."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import distributed_model as model
import matplotlib
import numpy as np
from distributed_model import Costs, Link, Row

matplotlib.use("Agg")
from matplotlib import pyplot as plt

SECONDS = ("best", "median", "folds", "sums", "waits", "cpu")
WHOLE = ("ranks", "shards", "batch", "size")
NAMES = {"paper": "the paper's network", "default": "the estimator's network", "tiny": "a tiny network"}
# The four sizes, small to large, and one colour each.
MODELS = {1_000_000: "#56b4e9", 5_000_000: "#0072b2", 20_000_000: "#e69f00", 50_000_000: "#d55e00"}
WORKERS = [1, 2, 4, 8, 16, 32, 64, 128, 256]
# Sequences a worker (weak scaling), and of all workers (strong scaling).
EACH, ALL = 64, 1024
# What is drawn: of machines that compute so many times as fast as one core, and their link.
CORES, SHOWN = 16, Link(10, 0.1)
# What the table says: cores of a machine and its link; and the efficiency of how many.
LIMITS = [(1, SHOWN), (CORES, Link(1, 1.0)), (CORES, SHOWN), (CORES, Link(10, 1.0)), (CORES, Link(25, 0.1))]
SAID = (8, 64, 256)


def read(path: Path) -> tuple[str, list[Row]]:
    """Return what machine it was, and the rows with their times in seconds."""
    rows: list[Row] = []
    about = ""
    with path.open() as file:
        for line in csv.DictReader(file):
            if line["what"] == "machine":
                about = line["network"]
                continue
            row: Row = dict(line)
            for name in (*SECONDS, *WHOLE, "gigabits", "milliseconds"):
                row[name] = None if line[name] == "" else float(line[name]) * (1e-3 if name in SECONDS else 1)
            rows.append(row | {name: None if row[name] is None else int(row[name]) for name in WHOLE})
    return about, rows


def _find(rows: Sequence[Row], what: str, network: str, shards: int | None = None) -> Row | None:
    some = [row for row in rows if row["what"] == what and row["network"] == network and not row["gigabits"]]
    return next((row for row in some if shards in (None, row["shards"])), None)


def networks(rows: Sequence[Row]) -> list[str]:
    """Return the networks of which steps were measured, in their order."""
    return list(dict.fromkeys(row["network"] for row in rows if row["what"] == "micro"))


# ---- Tables


def core_table(rows: Sequence[Row]) -> str:
    """Return what a step takes on one core and on two."""
    lines = [
        "| network | one core, ms | two cores, ms | efficiency | without overlap | two alone at once, ms | folds, ms "
        "| waits for sums, ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for network in networks(rows):
        one, two = _find(rows, "alone", network, 8), _find(rows, "overlap", network)
        serial, beside = _find(rows, "serial", network), _find(rows, "beside", network)
        if one is None or two is None or serial is None or beside is None:
            continue
        parts = [f"{NAMES[network]}, {one['size'] / 1e6:.2g} million numbers"]
        parts += [_ms(one["best"]), _ms(two["best"]), f"{one['best'] / 2 / two['best']:.2f}"]
        parts += [f"{one['best'] / 2 / serial['best']:.2f}", _ms(beside["best"])]
        parts += [_ms(two["folds"]), _ms(two["waits"])]
        lines.append("| " + " | ".join(parts) + " |")
    return "\n".join(lines)


def price_table(rows: Sequence[Row]) -> str:
    """Return what micro-batches cost one process."""
    lines = ["| network | whole mini-batch, ms | 2 shards | 4 shards | 8 shards |", "|---|---|---|---|---|"]
    for network in networks(rows):
        whole = _find(rows, "alone", network, 0)
        parts = [_find(rows, "alone", network, shards) for shards in (2, 4, 8)]
        if whole is not None:
            said = [f"{row['best'] / whole['best']:.2f}" if row else "-" for row in parts]
            lines.append(f"| {NAMES[network]} | {_ms(whole['best'])} | {' | '.join(said)} |")
    return "\n".join(lines)


def link_table(rows: Sequence[Row], costs: dict[str, Costs]) -> str:
    """Return measured times with a link beside what the model says."""
    titles = ["Gbit/s", "round trip, ms", "machines", "fold", *(f"sum of {n}" for n in _sums(rows).values())]
    titles += [f"step, {NAMES[network]}" for network in costs]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    found = model.checked(rows, costs)
    keys = {(row["gigabits"], row["milliseconds"], row["ranks"]): None for row, _ in found if row["gigabits"]}
    for key in keys:
        cells = {}
        for row, said in found:
            if (row["gigabits"], row["milliseconds"], row["ranks"]) == key and row["what"] != "serial":
                name = row["network"] if row["what"] == "overlap" else (row["what"], row["size"])
                cells[name] = f"{_ms(row['best'])} ({said / row['best'] - 1:+.0%})".replace("%", " %")
        fold = cells.get(("fold", _folded(rows)), "-")
        parts = [f"{key[0]:g}", f"{key[1]:g}", str(key[2]), fold]
        parts += [cells.get(("sum", size), "-") for size in _sums(rows)] + [cells.get(name, "-") for name in costs]
        lines.append("| " + " | ".join(parts) + " |")
    return "\n".join(lines)


def _sums(rows: Sequence[Row]) -> dict[int, str]:
    sizes = sorted({row["size"] for row in rows if row["what"] == "sum" and row["gigabits"]})
    return {size: f"{size / 1e6:g} million" for size in sizes}


def _folded(rows: Sequence[Row]) -> int:
    return int(next(row["size"] for row in rows if row["what"] == "fold"))


def limit_table(costs: Costs) -> str:
    """Return how many workers pay, by link and network, and what halved bytes change."""
    titles = ["cores a machine", "Gbit/s", "round trip, ms", "million numbers"]
    titles += [f"{workers} machines" for workers in SAID]
    titles += ["1,024 sequences: up to", f"bfloat16: {SAID[-2]} machines", "up to"]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for cores, link in LIMITS:
        for size in MODELS:
            own = costs.scaled(size, cores)
            weak, rounded = weak_efficiency(own, link), weak_efficiency(own, link, 2)
            parts = [str(cores), f"{link.gigabits:g}", f"{link.milliseconds:g}", f"{size / 1e6:g}"]
            parts += [f"{weak[WORKERS.index(workers)]:.2f}" for workers in SAID]
            parts += [str(_pays(strong_speed(own, link))), f"{rounded[WORKERS.index(SAID[-2])]:.2f}"]
            parts += [str(_pays(strong_speed(own, link, 2)))]
            lines.append("| " + " | ".join(parts) + " |")
    return "\n".join(lines)


def weak_efficiency(costs: Costs, link: Link, width: int = 4) -> list[float]:
    """Return how near each number of workers comes to as many times one, with as many sequences each."""
    shards = [8 * workers for workers in WORKERS]
    times = [model.step_time(costs, w, m, EACH * w, link, width=width) for w, m in zip(WORKERS, shards, strict=True)]
    return [times[0] / time for time in times]


def strong_speed(costs: Costs, link: Link, width: int = 4) -> list[float]:
    """Return how many times as fast each number of workers is: shares of one mini-batch, in as few shards as can be."""
    times = [model.step_time(costs, w, max(8, w), ALL, link, width=width) for w in WORKERS]
    return [times[0] / time for time in times]


def _pays(speeds: Sequence[float], least: float = 1.25) -> int:
    """Return the workers behind which twice as many are less than so many times as fast."""
    for place in range(1, len(WORKERS)):
        if speeds[place] < least * speeds[place - 1]:
            return WORKERS[place - 1]
    return WORKERS[-1]


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}" if seconds < 1 else f"{1e3 * seconds:,.0f}"


# ---- The picture


def picture(rows: Sequence[Row], costs: dict[str, Costs], path: Path, title: str) -> None:
    """Draw steps on one core and two, the model beside what was measured, and what it says of many machines."""
    figure, panels = plt.subplots(2, 2, figsize=(9.5, 7.6), layout="constrained")
    _draw_cores(panels[0, 0], rows)
    _draw_check(panels[0, 1], rows, costs)
    basis = next(iter(costs.values()))
    for axes, of, name in (
        (panels[1, 0], weak_efficiency, f"{EACH} sequences a machine"),
        (panels[1, 1], strong_speed, f"{ALL:,} sequences"),
    ):
        for size, colour in MODELS.items():
            own = basis.scaled(size, CORES)
            axes.plot(WORKERS, of(own, SHOWN), color=colour, label=f"{size / 1e6:g} million")
            axes.plot(WORKERS, of(own, SHOWN, 2), color=colour, linestyle=":")
        axes.set_xscale("log", base=2)
        axes.set_xticks(WORKERS, [str(w) for w in WORKERS])
        axes.set_title(f"model: {name}, {CORES} cores each, {SHOWN.gigabits:g} Gbit/s", fontsize=9.5)
        axes.set_xlabel("machines (dotted: gradients in bfloat16)")
    panels[1, 0].set(ylabel="efficiency", ylim=(0, 1.05))
    panels[1, 1].set(ylabel="times as fast as one", yscale="log")
    panels[1, 1].plot(WORKERS, WORKERS, color="grey", linewidth=0.8)
    ticks = [1, 2, 5, 10, 20, 50, 100]
    panels[1, 1].set_yticks(ticks, [str(tick) for tick in ticks])
    panels[1, 1].minorticks_off()
    panels[1, 0].legend(frameon=False, fontsize=8, title="numbers of the network", title_fontsize=8)
    for axes in panels.flat:
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _draw_cores(axes: Any, rows: Sequence[Row]) -> None:
    """Draw what a step takes, as a multiple of half of one core's."""
    place, labels = 0, []
    for network in networks(rows):
        one = _find(rows, "alone", network, 8)
        cases = [(_find(rows, "overlap", network), "two cores"), (_find(rows, "serial", network), "two, no overlap")]
        cases.append((_find(rows, "alone", network, 0), "one, whole batch / 2"))
        for row, label in cases:
            if row is None or one is None:
                continue
            half = one["best"] / 2
            total = row["best"] / (2 if row["what"] == "alone" else 1)
            exchanged = row["folds"] + (row["waits"] if row["what"] == "overlap" else row["sums"])
            axes.barh(place, (total - exchanged) / half, 0.7, color="#0072b2")
            axes.barh(place, exchanged / half, 0.7, left=(total - exchanged) / half, color="#e69f00")
            axes.annotate(f"{_ms(total)} ms", (total / half, place), (3, 0), textcoords="offset points", va="center",
                          fontsize=8)  # fmt: skip
            labels.append(f"{label}\n{NAMES[network]}")
            place += 1
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_yticks(range(place), labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.6)
    axes.set_title("a step of 64 sequences in 8 shards", fontsize=9.5)
    axes.set_xlabel("of half of one core's time (orange: exchanges)")


def _draw_check(axes: Any, rows: Sequence[Row], costs: dict[str, Costs]) -> None:
    """Draw what the model says of each point over what was measured."""
    found = model.checked(rows, costs)
    for kinds, colour, label in (
        (("fold",), "#d55e00", "folds"),
        (("sum",), "#e69f00", "sums"),
        (("overlap", "serial"), "#0072b2", "steps"),
    ):
        points = [(1e3 * row["best"], 1e3 * said) for row, said in found if row["what"] in kinds]
        if points:
            axes.scatter(*zip(*points, strict=True), s=14, color=colour, label=f"{len(points)} {label}")
    ends = np.array([0.08, 1000])
    axes.plot(ends, ends, color="grey", linewidth=0.8)
    axes.fill_between(ends, ends / 1.25, ends * 1.25, color="grey", alpha=0.15, linewidth=0)
    axes.set(xscale="log", yscale="log", xlabel="measured, ms (grey: within a quarter)", ylabel="model, ms")
    ticks = [0.1, 1, 10, 100, 1000]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_title("links of 1, 10, 25 Gbit/s, 0.1 and 1 ms", fontsize=9.5)
    axes.legend(frameon=False, fontsize=8)


# ---- The page


def publish(docs: Path) -> None:
    """Draw docs/scale.png and write the tables into docs/guide/scale.md, between the comments that name them."""
    about, rows = read(docs / "scale.csv")
    costs = {network: model.fitted(rows, network) for network in networks(rows)}
    picture(rows, costs, docs / "scale.png", f"{about}, one thread a process")
    tables = {"cores": core_table(rows), "price": price_table(rows), "limits": limit_table(next(iter(costs.values())))}
    if any(row["gigabits"] for row in rows):
        tables["links"] = link_table(rows, costs)
        tables["errors"] = errors(rows, costs)
    page = docs / "guide" / "scale.md"
    text = page.read_text()
    for name, table in tables.items():
        begin, end = f"<!-- measured: {name} -->", "<!-- end -->"
        if begin not in text:
            raise SystemExit(f"{page}: no place for a table; write '{begin}' and '{end}' where it belongs")
        before, rest = text.split(begin, 1)
        text = f"{before}{begin}\n\n{table}\n\n{end}{rest.split(end, 1)[1]}"
    page.write_text(text)


def errors(rows: Sequence[Row], costs: dict[str, Costs]) -> str:
    """Return in words how far the model is from what was measured."""
    found = model.checked(rows, costs)
    parts = []
    for kinds, name in ((("fold",), "folds"), (("sum",), "sums"), (("overlap", "serial"), "steps")):
        off = [abs(math.log(said / row["best"])) for row, said in found if row["what"] in kinds]
        if off:
            parts.append(f"{len(off)} {name}: {math.expm1(np.median(off)):.0%}, at most {math.expm1(max(off)):.0%}")
    return f"Off by, in the middle: {'; '.join(parts)}.".replace("%", " %")
