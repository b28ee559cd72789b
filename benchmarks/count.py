"""Instructions instead of seconds, for machines whose clock is noisy: callgrind, one thread, at AVX2.

Each job runs twice and four times in a process of its own; half of the difference is one call.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

JOBS = {
    "GRU B8 T10 D13 H128, forward": ("GRU", 8, 10, 13, 128, "forward"),
    "GRU B8 T10 D13 H128, training": ("GRU", 8, 10, 13, 128, "training"),
    "GRU B1 T20 D13 H128, forward": ("GRU", 1, 20, 13, 128, "forward"),
    "LSTM B6 T10 D13 H128, forward": ("LSTM", 6, 10, 13, 128, "forward"),
    "LSTM B6 T10 D13 H128, training": ("LSTM", 6, 10, 13, 128, "training"),
}

SCRIPT = """
import sys
import numpy as np
import seriatim
from seriatim import nn
seriatim.set_num_threads(1)
kind, batch, steps, inputs, hidden, phase, calls = sys.argv[1:]
module = getattr(nn, kind)(int(inputs), int(hidden), rng=0)
x = np.ones((int(steps), int(batch), int(inputs)), np.float32)
grad = np.ones((int(steps), int(batch), int(hidden)), np.float32)
module.train(phase == "training")
for _ in range(int(calls)):
    module(x)
    if phase == "training":
        module.backward(grad)
"""


def instructions(job: tuple[object, ...], calls: int) -> int:
    """Collected by one whole process."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-c", SCRIPT]
    env = {**os.environ, "SERIATIM_LEVEL": "v3", "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([*command, *map(str, job), str(calls)], capture_output=True, text=True, env=env)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise SystemExit(f"callgrind failed:\n{done.stderr[-2000:]}")
    return int(found[1])


def main() -> None:
    """Print a Markdown table and keep it."""
    if shutil.which("valgrind") is None:
        raise SystemExit("missing: valgrind. Debian: apt-get install valgrind.")
    lines = ["| instructions at AVX2, one thread | a call | a multiply-add of 8 lanes |", "|---|---|---|"]
    for name, job in JOBS.items():
        kind, batch, steps, inputs, hidden, phase = job
        count = (instructions(job, 4) - instructions(job, 2)) / 2
        gates = {"GRU": 3, "LSTM": 4}[str(kind)]
        products = gates * int(hidden) * (int(inputs) + int(hidden)) * int(batch) * int(steps)
        products *= 3 if phase == "training" else 1
        lines.append(f"| {name} | {count:,.0f} | {8 * count / products:.2f} |")
        print(lines[-1], flush=True)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "instructions.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
