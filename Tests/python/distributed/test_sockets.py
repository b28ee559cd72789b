"""Ranks over TCP: processes that are killed, strangers at the door, and teams of threads with real connections."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from support import far_apart

from seriatim.distributed import Team, TeamError, TreeSum, connect, listen
from seriatim.distributed import _mesh as mesh

KEY = b"a secret"


def engines(size, key=lambda rank: KEY, limit=10.0):
    """The engines of a team whose ranks are threads, or what each raised."""
    doors = [listen() for _ in range(size)]
    found = [None] * size

    def call(rank):
        try:
            found[rank] = connect(rank, [address for _, address in doors], doors[rank][0], key(rank), limit)
        except Exception as error:
            found[rank] = error

    together(call, size)
    return found


def together(work, size):
    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def run(size, work, timeout=10.0):
    """What each rank returned or raised."""
    results = [None] * size
    found = engines(size)

    def each(rank):
        team = Team(found[rank], timeout=timeout)
        try:
            with team.wrap():
                results[rank] = work(team)
        except Exception as error:
            results[rank] = error
        team.close()

    together(each, size)
    return results


@pytest.fixture(autouse=True)
def nothing_is_left():
    before = set(threading.enumerate()), len(os.listdir("/dev/fd"))
    yield
    assert (set(threading.enumerate()), len(os.listdir("/dev/fd"))) == before


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_values_and_large_arrays(size):
    """Larger than what the system keeps for a connection: all send and receive at once."""
    array = far_apart(size, 8, 600_000)
    leaves = {leaf: array[leaf] for leaf in range(8)}

    def work(team):
        mine = team.own(8)
        total = TreeSum(8, mine.start, mine.stop, 600_000)
        out = np.empty(600_000, np.float32)
        with np.errstate(invalid="ignore"):
            for leaf in mine:
                total.add(leaf, leaves[leaf])
            pending = team.start_sum(total.nodes(), 8, out)
            every = team.gather(bytes(100_000 * team.rank))
            first = team.fold({leaf: str(leaf) for leaf in mine}, 8, lambda left, right: f"({left}{right})")
            pending.wait()
        return [len(one) for one in every], first, out.tobytes()

    with np.errstate(invalid="ignore"):
        total = TreeSum(8, 0, 8, 600_000)
        for leaf, values in leaves.items():
            total.add(leaf, values)
        wanted = total.nodes()[0, 8].tobytes()
    assert run(size, work) == [([100_000 * rank for rank in range(size)], "(((01)(23))((45)(67)))", wanted)] * size


def test_a_rank_that_raises_tells_the_others():
    def work(team):
        if team.rank == 1:
            raise KeyError("ä column\n")
        team.gather(team.rank)

    first, second, third = run(3, work)
    assert str(first) == str(third) == f"rank 1 has failed: KeyError: {'ä column' + chr(10)!r}"
    assert isinstance(second, KeyError)


def test_both_threads_of_a_rank_hear_of_it():
    """Though the one that failed keeps its connections."""
    ready, done = threading.Event(), threading.Event()

    def work(team):
        if team.rank == 1:
            ready.wait(10)
            team._engine.fail("no")
            done.wait(20)
            return
        out = np.zeros(10, np.float32)
        pending = team.start_sum({(0, 1): out}, 2, out)
        threading.Timer(0.05, ready.set).start()
        try:
            with pytest.raises(TeamError, match="rank 1 has failed: no"):
                team.barrier()
            with pytest.raises(TeamError, match=r"rank 1 has failed: no"):
                pending.wait()
        finally:
            done.set()

    start = time.monotonic()
    assert run(2, work, timeout=30)[0] is None
    assert time.monotonic() - start < 5


def test_ranks_that_do_not_answer_are_named():
    held = threading.Event()

    def work(team):
        if team.rank == 0:
            try:
                team.barrier()
            finally:
                held.set()
        held.wait(10)

    first = run(3, work, timeout=0.2)[0]
    assert str(first).startswith("barrier: ranks 1, 2 did not answer for 0.2 seconds")


def test_ranks_that_do_different_things_are_found_on_both_sides():
    for one in run(2, lambda team: team.barrier() if team.rank else team.sum_arrays({}, 8, np.empty(5, np.float32))):
        assert "different things" in str(one)


def test_a_rank_that_leaves_early_is_missed_and_one_that_is_done_is_not():
    def work(team):
        team.barrier()
        if team.rank == 0:
            team.gather(1)

    first, second, _ = run(3, work)
    assert "is gone" in str(first)
    assert second is None

    def slow(team):
        if team.rank == 2:
            time.sleep(0.1)
        return team.gather(bytes(500_000))[0] == bytes(500_000)

    assert run(3, slow) == [True] * 3


def test_closing_from_another_thread_ends_a_wait():
    engine, other = engines(2)
    team = Team(engine, timeout=20)
    out = np.zeros(10, np.float32)
    pending = team.start_sum({(0, 1): out}, 2, out)
    time.sleep(0.02)
    team._break("for this test")
    team.close()
    with pytest.raises(TeamError, match=r"closed while it waited"):
        pending.wait()
    other.close()


def test_an_engine_that_is_forgotten_has_left():
    engine, other = engines(2)
    del other
    with pytest.raises(TeamError, match="rank 1 is gone"):
        Team(engine).barrier()
    engine.close()


# ---- Connecting


def test_another_key_is_refused_by_both_sides():
    first, second = engines(2, key=lambda rank: b"a secret" if rank else b"another", limit=0.3)
    assert str(first).startswith("connect: rank 1 did not answer for 0.3 seconds")
    assert str(second).endswith("it has another authkey")


def test_who_does_not_call_is_named():
    door, address = listen()
    with pytest.raises(TeamError, match=r"connect: ranks 1, 2 did not answer for 0\.1 seconds"):
        connect(0, [address] * 3, door, KEY, 0.1)


def test_who_has_gone_is_named():
    gone, address = listen()
    gone.close()
    door, own = listen()
    with pytest.raises(TeamError, match=f"rank 1 cannot reach rank 0 at 127.0.0.1:{address[1]}: .*refused"):
        connect(1, [address, own], door, KEY, 5)


def test_strangers_at_the_door_do_not_keep_ranks_out(monkeypatch):
    monkeypatch.setattr(mesh, "_STRANGER", 0.1)
    doors = [listen() for _ in range(2)]
    silent = socket.create_connection(doors[0][1])
    loud = socket.create_connection(doors[0][1])
    loud.sendall(b"GET / HTTP/1.1\r\n\r\n")
    found = [None, None]

    def call(rank):
        found[rank] = connect(rank, [address for _, address in doors], doors[rank][0], KEY, 10)

    together(call, 2)
    for engine in found:
        engine.close()
    silent.close()
    loud.close()


def test_what_cannot_be_connected_is_refused():
    door, address = listen()
    with pytest.raises(ValueError, match="rank 2 has no address among 1"):
        connect(2, [address], door, KEY)
    with pytest.raises(ValueError, match="authkey is a secret"):
        connect(0, [address], door, b"")
    door.close()


# ---- Processes

RANK = """
import os, sys, time
import numpy as np
from seriatim.distributed import Team, connect, listen
rank = int(sys.argv[1])
door, address = listen()
print(address[1], flush=True)
addresses = [("127.0.0.1", int(port)) for port in sys.stdin.readline().split()]
team = Team(connect(rank, addresses, door, b"a secret"), timeout=20)
out = np.ones(300_000, np.float32)
print("ready", flush=True)
with team.wrap():
    {work}
"""


class Ranks:
    """Processes that are ranks of one team."""

    def __init__(self, size, work):
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.ranks = [
            subprocess.Popen(
                [sys.executable, "-c", RANK.replace("{work}", work), str(rank)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
            )
            for rank in range(size)
        ]  # fmt: skip
        ports = " ".join(one.stdout.readline().strip() for one in self.ranks)
        for one in self.ranks:
            one.stdin.write(ports + "\n")
            one.stdin.flush()
        for one in self.ranks:
            assert one.stdout.readline() == "ready\n"

    def ends(self, limit=15):
        """What each printed, its last error, and how it ended."""
        found = []
        for one in self.ranks:
            out, error = one.communicate(timeout=limit)
            found.append((out.strip(), (error.strip().splitlines() or [""])[-1], one.returncode))
        return found


def test_a_process_that_is_killed_is_missed_at_once_and_one_that_ends_is_not():
    """The killed one has a child of a fork, which has its connections as well, unless they are closed there."""
    ranks = Ranks(
        3,
        "pid = os.fork() if rank == 1 else 1\n"
        "    if pid == 0: os.closerange(0, 3); time.sleep(5); os._exit(0)\n"
        "    for step in range(10**9): team.sum_arrays({(rank, rank + 1): out}, 3, out)",
    )
    time.sleep(0.1)
    ranks.ranks[1].kill()
    start = time.monotonic()
    ends = ranks.ends()
    assert time.monotonic() - start < 4
    assert ends[1][2] == -signal.SIGKILL
    for _, error, code in (ends[0], ends[2]):
        assert "TeamError: " in error
        assert "rank 1 is gone" in error
        assert code == 1


def test_processes_end_cleanly_without_closing():
    """With sums in the background; the team is neither closed nor forgotten when the interpreter ends."""
    ranks = Ranks(
        2,
        "team.start_sum({(rank, rank + 1): out}, 2, out).wait(); team.barrier(); print(out[-1]); time.sleep(rank / 3)",
    )
    assert ranks.ends() == [("2.0", "", 0)] * 2
