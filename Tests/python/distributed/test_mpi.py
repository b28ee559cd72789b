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


def launch(size, script, timeout=20, head=HEAD):
    """What all ranks printed, their errors, the code, and how long it took."""
    code = head.replace("{timeout}", str(timeout)) + script
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


FIT = """
import numpy as np
from seriatim.distributed import team
from seriatim.models import GRUClassifier as Plain
from seriatim.mpi import GRUClassifier
rng = np.random.default_rng(0)
X, y = [rng.normal(size=(n, 2)) for n in rng.integers(3, 9, 24)], np.arange(24) % 2
settings = dict(hidden_size=4, max_epochs=2, early_stopping=True, random_state=0, verbose=1)
"""


def test_three_lines_on_all_ranks_give_the_bits_of_one_and_the_first_alone_shows_them():
    out, error, code, _ = launch(
        3,
        """
from seriatim.distributed import alone, use
model = GRUClassifier(**settings).fit(X, y)
with use(alone()):
    plain = Plain(micro_shards=8, **settings).set_params(verbose=0).fit(X, y)
same = [np.array_equal(a, b) for a, b in zip(model.module_.state_dict().values(), plain.module_.state_dict().values())]
print(f"{all(same) and model.history_['loss'] == plain.history_['loss']}\\n", end="", flush=True)
""",
        head=FIT,
    )
    assert [line for line in out if not line.startswith("GRUClassifier: ")] == ["", "True", "True", "True"]
    assert len(out) == 5
    assert error.count("epoch 1/2") >= 1
    assert code == 0


def test_other_data_in_a_rank_is_an_error_in_all():
    _, error, code, took = launch(
        2,
        """
from mpi4py import MPI
if MPI.COMM_WORLD.Get_rank():
    X[3] = X[3] + 1
GRUClassifier(**settings).fit(X, y)
""",
        head=FIT,
    )
    assert "expected the same sequences, targets and weights in every process" in error
    assert code != 0
    assert took < 20
