"""A Markdown table of the archive's figures, and models on a line of their average ranks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata, wilcoxon

Row = dict[str, Any]
RIVALS = ("kNN-DTW", "MiniRocket")


class Summary:
    """What the rows say, with the folds that were asked for; a seed without all folds of a set does not count there."""

    def __init__(self, rows: list[Row], folds: Mapping[str, list[str]]) -> None:
        self.sets = list(folds)
        self.of_set: dict[str, Row] = {}
        # By set and model: the rows of every seed, by fold; what is given twice is taken once.
        found: dict[tuple[str, str], dict[int, dict[str, Row]]] = defaultdict(lambda: defaultdict(dict))
        for row in rows:
            if row["fold"] in folds.get(row["set"], ()):
                found[row["set"], row["model"]][row["seed"]].setdefault(row["fold"], row)
                self.of_set.setdefault(row["set"], row)
        whole: dict[tuple[str, str], list[list[Row]]] = {}
        for key, seeds in found.items():
            complete = [list(one.values()) for one in seeds.values() if len(one) == len(folds[key[0]])]
            if complete:
                whole[key] = complete
        self.whole = whole
        self.models = list(dict.fromkeys(model for _, model in whole))

    def by_seed(self, name: str, model: str, what: str) -> np.ndarray:
        """Return the mean over folds for every seed; empty if there is none."""
        return np.array([np.mean([row[what] for row in rows]) for rows in self.whole.get((name, model), [])])

    def matrix(self, what: str = "accuracy") -> np.ndarray:
        """Return means over folds and seeds, ``(sets, models)``; NaN where there is none."""
        return np.array(
            [
                [part.mean() if part.size else np.nan for part in (self.by_seed(s, m, what) for m in self.models)]
                for s in self.sets
            ]
        ).reshape(len(self.sets), len(self.models))

    def shared(self, what: str = "accuracy") -> np.ndarray:
        """Return the rows of the matrix in which every model has a figure."""
        matrix = self.matrix(what)
        return matrix[~np.isnan(self.matrix()).any(axis=1)]


def table(summary: Summary, cpu: bool = False) -> str:
    """Return a line a set, then means, ranks, wins and seconds, of the sets that every model has."""
    if not summary.models:
        return "no figures"
    accuracies, shared = summary.matrix(), summary.shared()
    many = "sets" if len(shared) != 1 else "set"
    lines = [
        ["accuracy, %", "train", "length", "D", "classes", *summary.models],
        ["---"] * (5 + len(summary.models)),
    ]
    for name in summary.sets:
        if name not in summary.of_set:
            continue
        row = summary.of_set[name]
        facts = [str(row["n_train"]), f"{row['median_length']:.0f}", str(row["D"]), str(row["classes"])]
        lines.append([name, *facts, *(cell(summary.by_seed(name, m, "accuracy")) for m in summary.models)])
    if len(shared):
        lines.append(wide(f"mean of {len(shared)} {many}", [f"{x:.1f}" for x in shared.mean(axis=0)]))
        lines.append(wide("mean rank", [f"{x:.2f}" for x in ranks(shared).mean(axis=0)]))
    for rival in RIVALS:
        if rival in summary.models:
            theirs = accuracies[:, summary.models.index(rival)]
            texts = ["" if m == rival else score(accuracies[:, i], theirs) for i, m in enumerate(summary.models)]
            lines.append(wide(f"wins/ties/losses to {rival}", texts))
    for what in ("fit", "predict"):
        if len(shared):
            seconds = summary.shared(f"{what}_cpu_seconds" if cpu else f"{what}_seconds").mean(axis=0)
            lines.append(
                wide(
                    f"{'CPU s' if cpu else 's'} to {what}, mean",
                    [f"{x:.2g}" if x < 10 else f"{x:.0f}" for x in seconds],
                )
            )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(seeds: np.ndarray) -> str:
    if not seeds.size:
        return ""
    return f"{seeds.mean():.1f}" + (f" ± {seeds.std():.1f}" if seeds.size > 1 else "")


def wide(title: str, texts: list[str]) -> list[str]:
    return [title, "", "", "", "", *texts]


def score(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Count sets; one that either does not have counts for nobody."""
    difference = np.round(ours - theirs, 6)
    return f"{np.sum(difference > 0)}/{np.sum(difference == 0)}/{np.sum(difference < 0)}"


def ranks(accuracies: np.ndarray) -> np.ndarray:
    """Return each model's rank on each set, 1 the best; equals share the mean of theirs."""
    return rankdata(-np.round(accuracies, 6), axis=1)


def told_apart(accuracies: np.ndarray, level: float = 0.05) -> set[tuple[int, int]]:
    """Return the pairs of models that Wilcoxon's signed ranks tell apart, with Holm's correction."""
    values = {}
    for i, j in combinations(range(accuracies.shape[1]), 2):
        difference = np.round(accuracies[:, i] - accuracies[:, j], 6)
        values[i, j] = float(wilcoxon(difference).pvalue) if difference.any() else 1.0
    apart: set[tuple[int, int]] = set()
    for tried, pair in enumerate(sorted(values, key=values.__getitem__)):
        # Holm: the first that is not small enough ends it.
        if values[pair] > level / (len(values) - tried):
            break
        apart.add(pair)
    return apart


def cliques(order: list[int], apart: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return first and last place of the longest runs of neighbours in which no two are told apart."""
    runs: list[tuple[int, int]] = []
    for first in range(len(order)):
        last = first
        while last + 1 < len(order) and not any(
            tuple(sorted((order[last + 1], order[k]))) in apart for k in range(first, last + 1)
        ):
            last += 1
        if last > first and not (runs and runs[-1][1] >= last):
            runs.append((first, last))
    return runs


def picture(summary: Summary, path: Path) -> None:
    """Draw average ranks on a line, the best at the left; bars join what the tests do not tell apart."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    accuracies = summary.shared()
    if len(accuracies) < 2 or len(summary.models) < 2:
        print("no picture: it wants two models on two sets that both have")
        return
    average = ranks(accuracies).mean(axis=0)
    order = [int(i) for i in np.argsort(average, kind="stable")]
    count = len(order)
    bars = cliques(order, told_apart(accuracies))
    names_from = 0.5 + 0.3 * len(bars)
    depth = names_from + 0.45 * ((count + 1) // 2)
    figure, axes = plt.subplots(figsize=(9, 1.1 + 0.6 * depth), layout="constrained")
    axes.hlines(0, 1, count, color="black", linewidth=1)
    for tick in range(1, count + 1):
        axes.vlines(tick, -0.1, 0, color="black", linewidth=1)
        axes.text(tick, -0.15, str(tick), ha="center", va="bottom", fontsize=9)
    for place, model in enumerate(order):
        left = place < (count + 1) // 2
        row = place if left else count - 1 - place
        height, edge = names_from + 0.45 * row, (0.8 if left else count + 0.2)
        colour = "#0072b2" if "Classifier" in summary.models[model] else "#d55e00"
        axes.plot([average[model], average[model], edge], [0, height, height], color=colour, linewidth=0.9)
        text = f"{summary.models[model]}  {average[model]:.2f}" if left else None
        text = text or f"{average[model]:.2f}  {summary.models[model]}"
        side = -0.05 if left else 0.05
        axes.text(edge + side, height, text, ha="right" if left else "left", va="center", fontsize=9, color=colour)
    for number, (first, last) in enumerate(bars):
        ends = average[order[first]] - 0.05, average[order[last]] + 0.05
        axes.hlines(0.25 + 0.3 * number, *ends, color="black", linewidth=3.5)
    axes.set_ylim(depth, -0.6)
    margin = 0.45 * count
    axes.set_xlim(0.8 - margin, count + 0.2 + margin)
    axes.set_axis_off()
    axes.set_title(f"Average rank on {len(accuracies)} sets; joined: not told apart (Wilcoxon, Holm, 5 %)", fontsize=10)
    figure.savefig(path, dpi=130)
    plt.close(figure)
