"""Bytes from beyond a core's own caches, counted by cachegrind: they are the same whatever machine counts them.

What does not stay in the second cache of a core comes from a shared one, at an eighth of the rate on some machines.
Counted is a step of a recurrent layer at AVX2 (valgrind knows no AVX-512): the difference of two runs with different
numbers of steps, without Python, on one thread. cachegrind plays a first and a second cache of one core, whose least
recently used lines leave. A worker of two that have their own rows each reads what one thread does with half of the
batch: ``--workers 2``.

    python benchmarks/caches.py [--workers 1 2] [--phases forward training] [--shapes "GRU B64 T40 D13 H512"]
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILT = ROOT / "build" / "caches"
USED = (
    "set_thread_limit", "set_caches", "recurrent_measure", "recurrent_pack",
    "recurrent_pack_backward", "recurrent_forward", "recurrent_backward",
)  # fmt: skip

# A core's caches and what is shared beyond: bytes and ways as cachegrind takes them, and SERIATIM_CACHES for the plan.
CACHES = {
    "L2 of 1 MB": ("32768,8,64", "1048576,8,64", "32K,1M/1,32M/2"),
    "L2 of 2 MB": ("49152,12,64", "2097152,16,64", "48K,2M/1,260M/2"),
}


@dataclass(frozen=True)
class Shape:
    """One layer of the benchmark."""

    kind: str
    batch: int
    steps: int
    inputs: int
    hidden: int

    @property
    def name(self) -> str:
        """As make bench has it."""
        return f"{self.kind} B{self.batch} T{self.steps} D{self.inputs} H{self.hidden}"

    @property
    def counted(self) -> tuple[int, int]:
        """Two numbers of steps: even, for every second one goes through the weights backwards, and whole blocks."""
        few = 512 // self.batch if self.batch > 1 else 20
        return few, 2 * few

    @property
    def weights(self) -> int:
        """Bytes of both weights."""
        return 4 * {"GRU": 3, "LSTM": 4}[self.kind] * self.hidden * (self.inputs + self.hidden)


SHAPES = [
    Shape(kind, *size)
    for kind in ("GRU", "LSTM")
    for size in ((64, 40, 13, 512), (32, 100, 512, 512), (64, 100, 128, 128), (1, 40, 13, 512))
]


def build(kernels: Path | None) -> Path:
    """Compile the job beside kernels at AVX2: those that the last build of the package has left, or of another one."""
    level = "v3" if platform.machine() == "x86_64" else "neon"
    kernels = kernels or ROOT / "build" / "swift" / level / f"seriatim_{level}.o"
    if not kernels.exists():
        raise SystemExit(f"missing: {kernels}. Build the package in this folder: pip install -e .")
    BUILT.parent.mkdir(exist_ok=True)
    names = [f"-Dsrt_{name}=srt_{name}_{level}" for name in USED]
    source = Path(__file__).with_suffix(".c")
    command = ["cc", "-O1", "-std=c11", "-fno-pie", "-no-pie", *names, f"-I{ROOT / 'Bindings' / 'include'}"]
    subprocess.run([*command, source, kernels, "-lpthread", "-lm", "-o", BUILT], check=True)
    return BUILT


def fetched(shape: Shape, steps: int, phase: str, caches: str) -> int:
    """Bytes that come from beyond the second cache in a whole run."""
    first, second, text = CACHES[caches]
    valgrind = ["valgrind", "--tool=cachegrind", "--cache-sim=yes", "--cachegrind-out-file=/dev/null"]
    sizes = [shape.kind, shape.batch, steps, shape.inputs, shape.hidden, int(phase == "training"), text]
    command = [*valgrind, f"--D1={first}", f"--LL={second}", BUILT, *map(str, sizes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"LLd misses:\s+([\d,]+)", done.stderr)
    if done.returncode or not found:
        raise SystemExit(f"cachegrind failed ({done.returncode}):\n{done.stderr[-2000:]}")
    return 64 * int(found[1].replace(",", ""))


def per_step(shape: Shape, phase: str, workers: int, caches: str) -> float:
    """Bytes a step, of one worker that has its share of the rows."""
    share = replace(shape, batch=max(1, shape.batch // workers))
    few, many = share.counted
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = list(pool.map(lambda steps: fetched(share, steps, phase, caches), (few, many)))
    return (found[1] - found[0]) / (many - few)


def main(words: list[str] | None = None) -> None:
    """Print a Markdown table and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1])
    parser.add_argument("--phases", nargs="+", default=["forward", "training"], choices=["forward", "training"])
    parser.add_argument("--shapes", nargs="+", default=[shape.name for shape in SHAPES])
    parser.add_argument("--kernels", type=Path, help="seriatim_v3.o of another build")
    options = parser.parse_args(words)
    if shutil.which("valgrind") is None:
        raise SystemExit("missing: valgrind. Debian: apt-get install valgrind.")
    build(options.kernels)
    columns = " | ".join(CACHES)
    lines = [
        f"| KB a step from beyond a core's caches | weights, KB | {columns} |",
        "|---|---" + "|---" * len(CACHES) + "|",
    ]
    print("\n".join(lines))
    for workers in options.workers:
        for phase in options.phases:
            for shape in SHAPES:
                if shape.name not in options.shapes:
                    continue
                found = [f"{per_step(shape, phase, workers, caches) / 1024:,.0f}" for caches in CACHES]
                rows = "all rows" if workers == 1 else f"1/{workers} of the rows"
                name = f"{shape.name}, {phase}, {rows}"
                lines.append(f"| {name} | {shape.weights / 1024:,.0f} | {' | '.join(found)} |")
                print(lines[-1], flush=True)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "caches.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
