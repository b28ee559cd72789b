"""What a run of ``make bench`` proves: how many shapes are ahead, and whether each target is met."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]

SHARE = "share of the limit"


@dataclass(frozen=True)
class Target:
    """What jobs have to keep to: at most so much of a peer's time, or at least so much of the limit."""

    name: str
    against: str
    bound: float
    jobs: str
    part: str = "recurrent"
    threads: tuple[int, ...] = (2,)

    def fits(self, row: Row) -> bool:
        """Whether the job is one of those."""
        measured = row.get("share") if self.against == SHARE else row["ratio"].get(self.against)
        is_meant = re.search(self.part, row["part"]) and re.search(self.jobs, row["job"])
        return bool(is_meant and row["threads"] in self.threads and measured)

    def value(self, row: Row) -> float:
        """What was measured."""
        return float(row["share"] if self.against == SHARE else row["ratio"][self.against])

    def met_by(self, row: Row) -> bool:
        """Whether it was kept to."""
        return self.value(row) >= self.bound if self.against == SHARE else self.value(row) <= self.bound


# The goals that were set, as data. Every job is held to the first target against the same peer that fits. An LSTM of
# 512 units on inputs as wide is all multiply-adds: both peers run at the peak there, as we do.
WIDE_LSTM = r"^LSTM B32 T100 D512 H512"
TARGETS = [
    Target("LSTM B32 T100 D512 H512", "torch", 0.92, WIDE_LSTM),
    Target("LSTM B32 T100 D512 H512", "onnxruntime", 0.92, WIDE_LSTM),
    Target("ragged, forward", "torch", 0.45, r"ragged.*forward"),
    Target("GRU, forward", "torch", 0.5, r"^GRU.*forward"),
    Target("GRU, training", "torch", 0.55, r"^GRU.*training"),
    Target("LSTM, forward", "torch", 0.85, r"^LSTM.*forward"),
    Target("LSTM, training", "torch", 0.75, r"^LSTM.*training"),
    Target("GRU", "onnxruntime", 0.7, r"^GRU"),
    Target("LSTM", "onnxruntime", 0.85, r"^LSTM"),
    Target("forward", SHARE, 0.85, "forward"),
    Target("training", SHARE, 0.75, "training"),
    *(
        Target(f"{name}, {'1 thread' if threads == 1 else '2 threads'}", peer, 1.0, "", part, (threads,))
        for threads in (1, 2)
        for name, part in (("recurrent, any shape", "recurrent|odd|sweep"), ("convolutions", "convolution"))
        for peer in ("torch", "onnxruntime")
    ),
]


def noise(rows: Sequence[Row]) -> float | None:
    """Return how far from 1 a job beside itself came, or None when that was not measured."""
    found = [abs(row["ratio"]["torch"] - 1) for row in rows if row["part"] == "self"]
    return max(found) if found else None


def targets(rows: Sequence[Row]) -> list[tuple[Target, list[Row]]]:
    """Return each target with the jobs that are held to it."""
    held: list[tuple[Target, list[Row]]] = []
    taken: set[tuple[int, str]] = set()
    for target in TARGETS:
        own = [row for row in rows if target.fits(row) and (id(row), target.against) not in taken]
        taken |= {(id(row), target.against) for row in own}
        if own:
            held.append((target, own))
    return held


def counts(rows: Sequence[Row]) -> list[str]:
    """Return lines of a table: how many jobs are ahead of each peer, how many behind, and the worst."""
    lines = ["| threads | peer | ahead | behind | worst ratio |", "|---|---|---|---|---|"]
    compared = [row for row in rows if row["part"] not in ("self", "collation")]
    for threads in sorted({row["threads"] for row in compared}):
        for peer in ("torch", "onnxruntime"):
            found = [
                (row["ratio"][peer], row["job"])
                for row in compared
                if row["threads"] == threads and peer in row["ratio"]
            ]
            if found:
                behind = sum(ratio > 1 for ratio, _ in found)
                worst, job = max(found)
                lines.append(f"| {threads} | {peer} | {len(found) - behind} | {behind} | {worst:.2f}: {job} |")
    return lines


def verdict(rows: Sequence[Row], about: dict[str, Any]) -> str:
    """Return the verdict as Markdown: the machine, the noise, jobs ahead and behind, and every target."""
    spread = noise(rows)
    said = "not measured" if spread is None else f"a job beside itself differs by up to {100 * spread:.0f} %"
    lines = ["## Verdict", "", f"{about['cpu']}, level {about['level']}, caches {about['caches']}. Noise: {said}.", ""]
    lines += [*counts(rows), "", "| target | wanted | met | worst | |", "|---|---|---|---|---|"]
    failed = []
    for target, own in targets(rows):
        missed = [row for row in own if not target.met_by(row)]
        values = [target.value(row) for row in own]
        is_share = target.against == SHARE
        wanted = (
            f"at least {target.bound:.0%} of the limit" if is_share else f"at most {target.bound} of {target.against}"
        )
        worst = f"{min(values):.0%}" if is_share else f"{max(values):.2f}"
        met = f"{len(own) - len(missed)} of {len(own)}"
        lines.append(f"| {target.name} | {wanted} | {met} | {worst} | {'FAIL' if missed else 'pass'} |")
        failed += [(target, row) for row in missed]
    if failed:
        lines += ["", "Missed:", ""]
    for target, row in failed:
        value = target.value(row)
        found = f"{value:.0%} of the limit" if target.against == SHARE else f"{value:.2f} of {target.against}"
        threads = "1 thread" if row["threads"] == 1 else f"{row['threads']} threads"
        lines.append(f"- {row['job']}, {threads}: {found}, wanted {target.bound}")
    return "\n".join(lines)
