"""A Markdown table and a picture of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

Row = dict[str, Any]


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
    """Draw every job's time as a share of the slowest peer's."""
    colours = {"seriatim": "#0072b2", "torch": "#d55e00", "onnxruntime": "#e69f00"}
    figure, axes = plt.subplots(figsize=(9, 0.62 * len(rows) + 1.6), layout="constrained")
    places = range(len(rows))
    for offset, (peer, colour) in zip((-0.27, 0.0, 0.27), colours.items(), strict=True):
        for place, row in zip(places, rows, strict=True):
            if peer not in row["seconds"]:
                continue
            ratio = row["seconds"][peer] / row["seconds"]["seriatim"]
            axes.barh(place + offset, ratio, 0.25, color=colour, label=peer if place == 0 else None)
            milliseconds = 1e3 * row["seconds"][peer]
            own = f"{milliseconds:.3g} ms" if milliseconds < 1000 else f"{milliseconds:.0f} ms"
            text = own if peer == "seriatim" else f"{ratio:.2g}x"
            axes.annotate(text, (ratio, place + offset), (3, 0), textcoords="offset points", va="center", fontsize=7)
    axes.axvline(1, color="#0072b2", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlim(0.8, None)
    axes.margins(x=0.12, y=0.01)
    axes.set_yticks(list(places), [row["job"] for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("time, as a multiple of seriatim's (shorter is faster)")
    axes.set_title(title, fontsize=10)
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
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
