"""A Markdown table and a picture of what was measured.

``python benchmarks/report.py`` draws docs/benchmarks.png, the README's, from docs/benchmarks.csv: a run that
docs/performance.md tells of, our milliseconds and the peers' multiples of them to two digits. With a file of results
(``benchmarks/results/results.json``) it writes the table of that kind of CPU into docs/performance.md.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

Row = dict[str, Any]

DOCS = Path(__file__).parents[1] / "docs"
PUBLISHED = "2 threads of a Zen 5 EPYC (AVX-512); torch 2.15, onnxruntime 1.31"
COLOURS = {"seriatim": "#0072b2", "torch": "#d55e00", "onnxruntime": "#e69f00"}
# Batches, one sequence, ragged sequences, and where a peer comes closest: jobs by name, and in words.
SHOWN = {
    "GRU B64 T40 D13 H512": "GRU of 512 units\n64 sequences of 40 steps",
    "GRU B64 T100 D128 H128": "GRU of 128 units\n64 sequences of 100 steps",
    "GRU B1 T1000 D13 H128": "GRU of 128 units\n1 sequence of 1,000 steps",
    "GRU ragged B64 T10-395 D40 H256 x2 bi": "GRU, 2 layers both ways of 256\n64 sequences of 10 to 395 steps",
    "LSTM B64 T40 D13 H512": "LSTM of 512 units\n64 sequences of 40 steps",
    "LSTM B32 T100 D512 H512": "LSTM of 512 units\n32 sequences of 100 steps",
    "LSTM B1 T1000 D13 H128": "LSTM of 128 units\n1 sequence of 1,000 steps",
    "LSTM ragged B64 T10-395 D40 H256 x2 bi": "LSTM, 2 layers both ways of 256\n64 sequences of 10 to 395 steps",
}


def table(rows: Sequence[Row], title: str) -> str:
    """Return one line a job: times in milliseconds, ours over theirs, and the share of the limit."""
    lines = [
        f"| {title} | ms | x torch | x onnxruntime | GFLOP/s | share of the limit |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        parts = [row["job"], f"{1e3 * row['seconds']['seriatim']:.3f}"]
        for peer in ("torch", "onnxruntime"):
            parts.append(f"{row['ratio'][peer]:.2f}" if peer in row["ratio"] else "-")
        parts.append(f"{row['gflops']:.0f}" if row.get("gflops") else "-")
        parts.append(f"{100 * row['share']:.0f} % of {row['limit']}" if row.get("share") else "-")
        lines.append("| " + " | ".join(parts) + " |")
    return "\n".join(lines)


def picture(rows: Sequence[Row], path: Path, title: str) -> None:
    """Draw the times of peers as multiples of ours, on the shapes of ``SHOWN``: one screen; the table has the rest."""
    phases = ("forward", "training")
    measured = {row["job"]: row["seconds"] for row in rows}
    named = [job.removesuffix(", forward") for job in measured if job.endswith(", forward")]
    both = [name for name in named if f"{name}, training" in measured]
    shown = {SHOWN[name]: name for name in SHOWN if name in both} or {name: name for name in both}
    figure, panels = plt.subplots(1, 2, figsize=(9, 0.5 * len(shown) + 1.5), layout="constrained", sharey=True)
    for axes, phase in zip(panels, phases, strict=True):
        for place, name in enumerate(shown.values()):
            seconds = measured[f"{name}, {phase}"]
            own = 1e3 * seconds["seriatim"]
            axes.text(0.95, place, f"{own:.3g} ms", ha="right", va="center", color=COLOURS["seriatim"], fontsize=8)
            for peer, offset in (("torch", -0.19), ("onnxruntime", 0.19)):
                if peer not in seconds:
                    continue
                multiple = seconds[peer] / seconds["seriatim"]
                axes.barh(place + offset, multiple - 1, 0.34, left=1, color=COLOURS[peer])
                text = f"{multiple:.2g}x" if multiple < 9.95 else f"{multiple:.0f}x"
                end = (max(multiple, 1), place + offset)
                axes.annotate(text, end, (3, 0), textcoords="offset points", va="center", fontsize=8)
        axes.axvline(1, color=COLOURS["seriatim"], linewidth=2)
        axes.set(xscale="log", xlim=(0.45, 75), title=phase, xlabel="time, as a multiple of seriatim's")
        ticks = (1, 2, 5, 10, 20, 50)
        axes.set_xticks(ticks, [f"{tick}x" for tick in ticks])
        axes.minorticks_off()
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(left=False)
    panels[0].set_yticks(range(len(shown)), list(shown))
    panels[0].invert_yaxis()
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in COLOURS.values()]
    figure.legend(handles, list(COLOURS), loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def curves(rows: Sequence[Row], path: Path) -> None:
    """Draw how the ratio to the faster peer goes with hidden size, batch and length."""
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained", sharey=True)
    styles = {"GRU": ("#0072b2", "o"), "LSTM": ("#d55e00", "s")}
    for axis, size in zip(axes, ("hidden", "batch", "steps"), strict=True):
        for kind, (colour, marker) in styles.items():
            chosen = sorted((r[size], r) for r in rows if r["kind"] == kind and r["varies"] == size)
            axis.plot(
                [value for value, _ in chosen],
                [min(r["seconds"][p] for p in r["ratio"]) / r["seconds"]["seriatim"] for _, r in chosen],
                color=colour,
                marker=marker,
                label=kind,
            )
        axis.axhline(1, color="grey", linewidth=0.8)
        axis.set_xscale("log", base=2)
        axis.set_xlabel({"hidden": "hidden size", "batch": "batch size", "steps": "length"}[size])
    axes[0].set_ylabel("time of the faster peer / ours")
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def published(path: Path) -> list[Row]:
    """Return the rows of a file as docs/benchmarks.csv."""
    rows = []
    with path.open() as file:
        for line in csv.DictReader(file):
            own = float(line["milliseconds"]) / 1e3
            peers = {peer: own * float(line[peer]) for peer in ("torch", "onnxruntime") if line[peer]}
            rows.append({"job": line["job"], "seconds": {"seriatim": own, **peers}})
    return rows


def measured(rows: Sequence[Row]) -> str:
    """Return the table of docs/performance.md: a line a recurrent shape, forward and training side by side."""
    found = {row["job"]: row for row in rows if row["part"] == "recurrent"}
    lines = [
        "| shape | forward, ms | share | x onnxruntime | x torch | training, ms | share | x torch |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for job, forward in found.items():
        name = job.removesuffix(", forward")
        training = found.get(f"{name}, training")
        if name == job or training is None:
            continue
        parts = [name]
        for row, peers in ((forward, ("onnxruntime", "torch")), (training, ("torch",))):
            parts += [f"{1e3 * row['seconds']['seriatim']:.3g}", f"{row['share']:.0%}".replace("%", " %")]
            parts += [f"{row['ratio'][peer]:.2f}" if peer in row["ratio"] else "-" for peer in peers]
        lines.append("| " + " | ".join(parts) + " |")
    return "\n".join(lines)


def publish(results: Path, page: Path = DOCS / "performance.md", threads: int = 2) -> None:
    """Write the table of a run into the page, between the two comments that name its kind of CPU."""
    run = json.loads(results.read_text())
    about, rows = run["about"], [row for row in run["rows"] if row["threads"] == threads]
    kind = about["cpu"].split(" (")[0]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    what = f"{about['cpu']}, level {about['level']}, caches {about['caches']}; {versions}."
    text = page.read_text()
    begin, end = f"<!-- measured: {kind} -->", "<!-- end -->"
    if begin not in text:
        raise SystemExit(f"{page}: no place for {kind}; write '{begin}' and '{end}' where its table belongs")
    before, rest = text.split(begin, 1)
    page.write_text(f"{before}{begin}\n\n{what}\n\n{measured(rows)}\n\n{end}{rest.split(end, 1)[1]}")


if __name__ == "__main__":
    if sys.argv[1:]:
        publish(Path(sys.argv[1]))
    else:
        picture(published(DOCS / "benchmarks.csv"), DOCS / "benchmarks.png", PUBLISHED)
