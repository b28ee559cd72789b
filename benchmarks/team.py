"""What a team of processes pays to sum arrays in the fixed tree, and for one small fold, beside its engine's own sum.

    python benchmarks/team.py --ranks 2                           # over TCP, on this machine
    mpirun -n 2 python benchmarks/team.py --engine mpi            # beside MPI's Allreduce
    torchrun --nproc-per-node 2 benchmarks/team.py --engine gloo  # beside gloo's all_reduce

The engines' own sums have an order that depends on the number of ranks. Times are medians of the slowest rank; GB/s is
the array's bytes by the time, whatever goes over the wire. Let nothing else run.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from seriatim.distributed import Team, connect, gloo, listen, mpi

SIZES = (100_000, 1_000_000, 10_000_000, 50_000_000)


def timed(team: Team, job: Callable[[], object], times: int) -> float:
    """Return the median over calls that all ranks begin together of what the slowest takes, in seconds."""
    job()
    found = []
    for _ in range(times):
        team.barrier()
        began = time.perf_counter()
        job()
        found.append(max(team.gather(time.perf_counter() - began)))
    return median(found)


def theirs(engine: str, team: Team) -> Callable[[np.ndarray], object] | None:
    """Return the sum that the engine has of its own, in place."""
    if team.size == 1:
        return None
    if engine == "mpi":
        from mpi4py import MPI

        return lambda array: MPI.COMM_WORLD.Allreduce(MPI.IN_PLACE, array)
    if engine == "gloo":
        import torch

        return lambda array: torch.distributed.all_reduce(torch.from_numpy(array))
    return None


def rows(engine: str, team: Team, sizes: tuple[int, ...], times: int) -> list[dict[str, Any]]:
    """Measure everything."""
    about = {"engine": engine, "ranks": team.size}
    moments = {leaf: np.ones(3 * 64) for leaf in team.own(8)}

    def folds() -> None:
        for _ in range(100):
            team.fold(moments, 8, np.add)

    found: list[dict[str, Any]] = [about | {"job": "fold of 192 doubles", "seconds": timed(team, folds, times) / 100}]
    own, shards = theirs(engine, team), team.own(8)
    for n in sizes:
        out = np.zeros(n, np.float32)
        seconds = timed(team, partial(team.sum_arrays, {(shards.start, shards.stop): out}, 8, out), times)
        row = about | {"job": f"sum of {n / 1e6:g} million", "seconds": seconds, "GB/s": 4 * n / seconds / 1e9}
        if own is not None:
            row["its own"] = timed(team, partial(own, out), times)
        found.append(row)
    return found


def start(ranks: int, arguments: list[str]) -> int:
    """Start processes of this file that connect to each other over TCP."""
    env = {**os.environ, "TEAM_KEY": secrets.token_hex(16)}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, *arguments, "--rank", str(rank)], stdin=-1, stdout=-1, text=True, env=env
        )
        for rank in range(ranks)
    ]
    ports = [one.stdout.readline().strip() for one in processes if one.stdout]
    outs = []
    for one in processes:
        assert one.stdin is not None
        one.stdin.write(" ".join(ports) + "\n")
        one.stdin.flush()
    for one in processes:
        outs.append(one.communicate()[0])
    print(outs[0], end="")
    return max(one.returncode for one in processes)


def joined(rank: int) -> Team:
    """Return the team of the processes that `start` started."""
    door, address = listen()
    print(address[1], flush=True)
    ports = sys.stdin.readline().split()
    engine = connect(rank, [("127.0.0.1", int(port)) for port in ports], door, os.environ["TEAM_KEY"].encode())
    return Team(engine)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["tcp", "mpi", "gloo"], default="tcp")
    parser.add_argument("--ranks", type=int, default=2, help="1, 2, 4 or 8 processes, over TCP")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of an array")
    parser.add_argument("--times", type=int, default=9, help="how often each is measured")
    parser.add_argument("--json", action="store_true", help="a line of JSON each")
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine == "tcp" and options.rank is None:
        return start(options.ranks, sys.argv[1:])
    team = joined(options.rank) if options.engine == "tcp" else Team(mpi() if options.engine == "mpi" else gloo())
    found = rows(options.engine, team, tuple(options.sizes), options.times)
    team.close()
    if team.rank == 0:
        for row in found:
            if options.json:
                print(json.dumps(row))
                continue
            extra = f"{row['GB/s']:6.2f} GB/s" if "GB/s" in row else ""
            extra += f", its own sum {row['its own'] * 1e3:9.3f} ms" if "its own" in row else ""
            print(f"{row['engine']:5}{row['ranks']:3} ranks  {row['job']:22}{row['seconds'] * 1e3:10.3f} ms  {extra}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
