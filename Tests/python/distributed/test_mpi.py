"""Ranks under mpirun: where mpi4py and a launcher are."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("mpi4py", reason="needs mpi4py: pip install mpi4py mpich")
LAUNCHER = shutil.which("mpirun", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
pytestmark = pytest.mark.skipif(LAUNCHER is None, reason="needs mpirun: pip install mpich")

HEAD = """
import time
import numpy as np
from seriatim.distributed import Team, mpi
team = Team(mpi(), timeout={timeout})
rank, size = team.rank, team.size
"""


def launch(size, script, timeout=20):
    """What all ranks printed, their errors, the code, and how long it took."""
    code = HEAD.replace("{timeout}", str(timeout)) + script
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    start = time.monotonic()
    done = subprocess.run(
        [LAUNCHER, "-n", str(size), sys.executable, "-c", code],
        capture_output=True, text=True, timeout=60, env=env, check=False,
    )  # fmt: skip
    return sorted(done.stdout.split("\n")), done.stderr, done.returncode, time.monotonic() - start


def test_values_sums_and_one_team_after_another():
    out, error, code, _ = launch(
        3,
        """
for step in range(3):
    assert [len(one) for one in team.gather(bytes(100_000 * rank))] == [0, 100_000, 200_000]
    arrays = [np.full(n, rank + 1, np.float32) for n in (5, 300_000)]
    pending = [team.start_sum({(rank, rank + 1): array}, 3, array) for array in arrays]
    folded = team.fold({rank: "abc"[rank]}, 3, lambda left, right: f"({left}{right})")
    for one in pending:
        one.wait()
    assert all((array == 6).all() for array in arrays) and folded == "((ab)c)"
    team.close()
    team = Team(mpi(), timeout=20)
print("good\\n", end="", flush=True)
""",
    )
    assert (out, error, code) == (["", "good", "good", "good"], "", 0)


def test_a_rank_that_raises_ends_the_launch():
    _, error, code, took = launch(
        2,
        """
with team.wrap():
    if rank == 1:
        raise KeyError("a column")
    try:
        team.barrier()
    except RuntimeError as error:
        print(error)
        raise
""",
    )
    assert "KeyError: 'a column'" in error
    assert code != 0
    assert took < 15


def test_ranks_that_hang_or_differ_end_the_launch():
    out, error, code, took = launch(
        2,
        """
try:
    team.barrier() if rank else team.gather(1)
except RuntimeError as error:
    print(f"{'different things' in str(error)}\\n", end="", flush=True)
team.close()
team = Team(mpi(), timeout=0.5)
if rank == 1:
    time.sleep(300)
team.barrier()
""",
    )
    assert "TeamError: barrier: rank 1 did not answer for 0.5 seconds" in error
    assert code != 0
    assert took < 15
    assert out == ["", "True", "True"]
