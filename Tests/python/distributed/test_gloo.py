"""Ranks of torch.distributed: where torch is."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch: pip install torch")

HEAD = """
import os, signal, sys, threading, time, warnings
import numpy as np
from seriatim.distributed import Team, TeamError, gloo
team = Team(gloo(), timeout=20)
rank, size = team.rank, team.size
def say(text): print(text, flush=True)
"""


def launch(script, size=2):
    """What each rank printed, its last error, its code, and how long all took. As torchrun, which is slower, does."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size), "OMP_NUM_THREADS": "1"}
    start = time.monotonic()
    ranks = [
        subprocess.Popen(
            [sys.executable, "-W", "error:The given NumPy array", "-c", HEAD + script],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **world, "RANK": str(rank)},
        )
        for rank in range(size)
    ]  # fmt: skip
    found = []
    for one in ranks:
        out, error = one.communicate(timeout=90)
        found.append((out.split("\n")[:-1], error, one.returncode))
    return found, time.monotonic() - start


def test_values_sums_and_failures():
    found, _ = launch(
        """
for step in range(2):
    assert [len(one) for one in team.gather(bytes(100_000 * rank))] == [0, 100_000]
    arrays = [np.full(n, rank + 1, np.float32) for n in (5, 300_000)]
    pending = [team.start_sum({(rank, rank + 1): array}, 2, array) for array in arrays]
    folded = team.fold({rank: "ab"[rank]}, 2, lambda left, right: f"({left}{right})")
    for one in pending:
        one.wait()
    assert all((array == 3).all() for array in arrays) and folded == "(ab)"
    team.close()
    assert threading.active_count() == 1
    team = Team(gloo(), timeout=20)
try:
    team.barrier() if rank else team.gather(1)
except TeamError as error:
    say("different things" in str(error))
team.close()
team = Team(gloo(), timeout=0.5)
try:
    with team.wrap():
        if rank == 1:
            raise KeyError("a column")
        team.barrier()
except Exception as error:
    say(error)
team.close()
assert threading.active_count() == 1
"""
    )
    assert [(out, code) for out, _, code in found] == [
        (["True", "rank 1 has failed: KeyError: 'a column'"], 0),
        (["True", "'a column'"], 0),
    ]


def test_a_rank_that_is_killed_and_one_that_hangs():
    found, took = launch(
        """
late = Team(gloo(), timeout=0.5)
try:
    if rank == 1:
        time.sleep(1)
    late.barrier()
except TeamError as error:
    say(str(error).partition(";")[0])
late.close()
if rank == 1:
    os.kill(os.getpid(), signal.SIGKILL)
try:
    team.barrier()
except TeamError as error:
    say(str(error).partition(":")[0])
team.close()
"""
    )
    first, second = found
    assert first[0] == ["barrier: rank 1 did not answer for 0.5 seconds", "rank 1 is gone"]
    assert second[0][0].startswith("rank 0 has failed: barrier: rank 1 did not answer")
    assert second[2] == -signal.SIGKILL
    assert took < 30
