"""Teams, by ranks that are threads: values, sums, what goes on in the background, and every way to fail."""

import os
import re
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from support import far_apart

from seriatim.distributed import (
    Call,
    Team,
    TeamError,
    TreeSum,
    _current,
    alone,
    current,
    local_engines,
    run_threads,
    team,
    use,
)
from seriatim.distributed import _sum as sums
from seriatim.distributed import _team as teams
from seriatim.distributed._tree import fold


def brackets(left, right):
    return f"({left}{right})"


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


# ---- Values


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_every_rank_gets_every_value(size):
    def work(team):
        mine = {"rank": team.rank, "array": np.arange(3)}
        every = team.gather(mine)
        team.barrier()
        assert every[team.rank] is mine
        return [one["rank"] for one in every], team.broadcast(team.rank * 10, root=size - 1), team.size

    assert run_threads(size, work, timeout=10) == [(list(range(size)), (size - 1) * 10, size)] * size


def test_values_longer_than_a_message(monkeypatch):
    monkeypatch.setattr(teams, "_ROOM", 100)

    def work(team):
        return [len(one) for length in (0, 50, 99, 100, 101, 5000) for one in team.gather(bytes(length * team.rank))]

    wanted = [length * rank for length in (0, 50, 99, 100, 101, 5000) for rank in range(3)]
    assert run_threads(3, work, timeout=10) == [wanted] * 3


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 11])
def test_fold(n):
    letters = "abcdefghijk"
    wanted = fold(dict(enumerate(letters[:n])), 0, n, n, brackets)[0, n]

    def work(team):
        whole = team.fold({leaf: letters[leaf] for leaf in team.own(n)}, n, brackets)
        nothing = team.fold(dict.fromkeys(team.own(n)), n, brackets)
        last = team.fold({leaf: "x" for leaf in team.own(n) if leaf == n - 1}, n, brackets)
        return whole, nothing, last

    for size in (1, 2, 3, 4):
        assert run_threads(size, work, timeout=10) == [(wanted, None, "x")] * size


def test_a_shard_of_another_rank_is_refused():
    def work(team):
        with pytest.raises(ValueError, match="has the shards range"):
            team.fold({7 * (1 - team.rank): 1}, 8, max)
        with pytest.raises(ValueError, match="root is a rank"):
            team.broadcast(1, root=2)

    run_threads(2, work, timeout=10)


# ---- Arrays


def summed(team, array, out, background=False):
    """What a rank does with its shards' gradients."""
    n, size = array.shape
    mine = team.own(n)
    total = TreeSum(n, mine.start, mine.stop, size)
    for leaf in mine:
        # One shard in five has no sequence in this batch.
        if leaf % 5 != 3:
            total.add(leaf, array[leaf])
    nodes = total.nodes()
    if out is None:
        out = next(iter(nodes.values()), np.empty(size, np.float32))
    if background:
        team.start_sum(nodes, n, out).wait()
    else:
        team.sum_arrays(nodes, n, out)
    return out


@pytest.mark.parametrize("small", [0, 1 << 15])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 13])
def test_the_sum_has_the_bits_of_one_rank(monkeypatch, n, small):
    monkeypatch.setattr(sums, "SMALL", small)
    array = far_apart(n, n, 37)

    def work(team):
        with np.errstate(invalid="ignore"):
            apart = [summed(team, array, np.full(37, 9, np.float32)).tobytes() for _ in range(2)]
            return *apart, summed(team, array, None).tobytes(), summed(team, array, None, background=True).tobytes()

    wanted = run_threads(1, work)[0]
    leaves = {leaf: array[leaf] for leaf in range(n) if leaf % 5 != 3}
    with np.errstate(invalid="ignore"):
        assert set(wanted) == {fold(leaves, 0, n, n, np.add)[0, n].tobytes()}
    for size in {2, 3, 4, n, n + 1}:
        assert run_threads(size, work, timeout=10) == [wanted] * size


@pytest.mark.parametrize("n", [0, 1, 5])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_sums_of_nothing(monkeypatch, n, size):
    monkeypatch.setattr(sums, "SMALL", 0)

    def work(team):
        out = np.full(n, 9, np.float32)
        team.sum_arrays({}, 8, out)
        return out.tolist()

    assert run_threads(size, work, timeout=10) == [[0] * n] * size


def test_two_nodes_of_a_rank_whose_neighbours_have_none():
    """Of 8 shards on 3 ranks the second has two nodes, which meet where the others have nothing."""

    def work(team):
        out = np.zeros(5, np.float32)
        if team.rank == 1:
            nodes = {(2, 4): np.ones(5, np.float32), (4, 5): np.full(5, 2, np.float32)}
        else:
            nodes = {}
        team.sum_arrays(nodes, 8, out)
        return out.tolist(), [array.tolist() for array in nodes.values()]

    assert run_threads(3, work, timeout=10) == [([3] * 5, [[1] * 5, [2] * 5] if rank == 1 else []) for rank in range(3)]


def test_arrays_that_do_not_fit_are_refused():
    team = alone()
    out = np.zeros(4, np.float32)
    for wrong in (np.zeros(4), np.zeros((2, 2), np.float32), np.zeros(5, np.float32), np.zeros(8, np.float32)[::2]):
        with pytest.raises(ValueError, match="4 contiguous numbers of float32"):
            team.sum_arrays({(0, 8): wrong}, 8, out)
    with pytest.raises(ValueError, match=r"rank 0 has the nodes \[\(0, 8\)\], not \[\(0, 4\)\]"):
        team.sum_arrays({(0, 4): out}, 8, out)


def test_sums_in_the_background_keep_their_order_while_others_fold():
    def work(team):
        outs = [np.full(20_000, team.rank + step, np.float32) for step in range(4)]
        node = (team.rank, team.rank + 1)
        pending = [team.start_sum({node: out}, 2, out) for out in outs]
        folded = [team.fold({team.rank: step}, 2, max) for step in range(20)]
        for one in pending:
            one.wait()
        return folded, [out[-1] for out in outs]

    assert run_threads(2, work, timeout=10) == [(list(range(20)), [1, 3, 5, 7])] * 2


def test_a_team_of_one_starts_no_thread_and_sums_at_once():
    team = alone()
    before = threading.active_count()
    out = np.empty(3, np.float32)
    team.start_sum({(0, 8): np.arange(3, dtype=np.float32)}, 8, out)
    assert out.tolist() == [0, 1, 2]
    assert threading.active_count() == before
    assert (team.rank, team.size, team.gather("x"), team.broadcast("y")) == (0, 1, ["x"], "y")
    assert team.fold({0: "a", 1: "b", 3: "d"}, 4, brackets) == "((ab)d)"
    team.close()


# ---- Failures


def failures(size, work, timeout=10):
    """What each rank raised, by a team of threads."""
    raised = [None] * size

    def each(team):
        try:
            with team.wrap():
                work(team)
        except Exception as error:
            raised[team.rank] = error

    run_threads(size, each, timeout=timeout)
    return raised


def test_a_rank_that_raises_tells_the_others():
    def work(team):
        if team.rank == 1:
            raise KeyError("a column")
        team.gather(team.rank)

    first, second, third = failures(3, work)
    assert str(first) == str(third) == "rank 1 has failed: KeyError: 'a column'"
    assert isinstance(second, KeyError)


def test_the_background_hears_of_it_and_says_so_when_it_is_waited_for():
    def work(team):
        if team.rank == 1:
            raise ValueError("no")
        out = np.zeros(10, np.float32)
        team.start_sum({(0, 1): out}, 2, out).wait()

    assert str(failures(2, work)[0]) == "rank 1 has failed: ValueError: no"


def test_a_rank_that_leaves_is_missed():
    def work(team):
        if team.rank == 0:
            team.gather(1)

    first, second = failures(2, work)
    assert str(first).startswith("rank 1 is gone")
    assert second is None


def test_ranks_that_do_not_answer_are_named():
    held = threading.Event()

    def work(team):
        if team.rank == 0:
            try:
                team.barrier()
            finally:
                held.set()
        held.wait(10)

    start = time.monotonic()
    first = failures(3, work, timeout=0.2)[0]
    assert str(first).startswith("barrier: ranks 1, 2 did not answer for 0.2 seconds")
    assert time.monotonic() - start < 5


def other(team):
    """Another call than the first rank's."""
    return team.rank == 1


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lambda t: t.barrier() if other(t) else t.gather(1), r"exchange 1 \(barrier\)"),
        (lambda t: t.broadcast(1, root=t.rank), r"broadcast"),
        (lambda t: t.fold({}, 8 + t.rank, max), r"fold over 9 shards"),
        (lambda t: t.sum_arrays({}, 8, np.empty(10_000 + t.rank, np.float32)), r"sum_arrays of 10001 numbers over 8"),
        (lambda t: [t.barrier() for _ in range(1 + t.rank)] and t.gather(1), r"barrier"),
    ],
)
def test_ranks_that_do_different_things_are_found_on_both_sides(work, words):
    first, second = failures(2, work)
    assert {type(first), type(second)} == {TeamError}
    # Whoever is slower may hear of it from the other before it sees it.
    assert any(re.search(rf"different things: .*, rank 1 at .*{words}", str(one)) for one in (first, second))
    assert all("different things" in str(one) for one in (first, second))


def test_a_team_that_broke_says_why_from_then_on():
    def work(team):
        with pytest.raises(TeamError):
            team.barrier() if other(team) else team.gather(1)
        with pytest.raises(TeamError, match=r"of no more use: .*different things"):
            team.gather(1)

    run_threads(2, work, timeout=10)


def test_a_closed_team_is_refused_and_can_be_closed_again():
    team = Team(local_engines(1)[0])
    team.close()
    team.close()
    engine, _ = local_engines(2)
    team = Team(engine)
    team.close()
    with pytest.raises(TeamError, match="it was closed"):
        team.barrier()


def test_closing_ends_what_waits_in_the_background():
    engine, _ = local_engines(2)
    team = Team(engine, timeout=20)
    out = np.zeros(10, np.float32)
    pending = team.start_sum({(0, 1): out}, 2, out)
    start = time.monotonic()
    with pytest.raises(KeyError), team.wrap():
        raise KeyError
    team.close()
    with pytest.raises(TeamError, match=r"the team was closed|of no more use"):
        pending.wait()
    assert time.monotonic() - start < 5


def test_a_fork_is_refused():
    engine, _ = local_engines(2)
    team = Team(engine)
    team._process = os.getpid() - 1
    with pytest.raises(TeamError, match="is a fork of it"):
        team.gather(1)
    team.close()
    assert not engine._room.left


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_team_has_a_limit(timeout):
    with pytest.raises(ValueError, match="timeout is seconds above zero"):
        Team(local_engines(1)[0], timeout=timeout)


def test_no_ranks():
    with pytest.raises(ValueError, match="at least one rank"):
        local_engines(0)


# ---- The team that trains


def test_fits_of_this_thread_see_the_team():
    assert current() is None
    engines = local_engines(1)
    with team(engines[0], timeout=5) as made:
        assert current() is made
        assert made.timeout == 5
        seen = []
        thread = threading.Thread(target=lambda: seen.append(current()))
        thread.start()
        thread.join()
        assert seen == [None]
        with use(alone()) as other:
            assert current() is other
        assert current() is made
    assert current() is None
    with pytest.raises(KeyError), team(local_engines(1)[0]) as made:
        raise KeyError
    with pytest.raises(TeamError, match="of no more use"):
        made._check()


def test_an_exception_within_is_told():
    engines = local_engines(2)
    with pytest.raises(KeyError), team(engines[1]):
        raise KeyError("a column")
    with pytest.raises(TeamError, match="rank 1 has failed: KeyError: 'a column'"), team(engines[0]) as made:
        made.barrier()


def test_ranks_of_a_launcher_part_the_processors_of_a_machine(monkeypatch):
    monkeypatch.delenv("SERIATIM_NUM_THREADS", raising=False)
    monkeypatch.setattr(_current, "get_num_threads", lambda: 7)
    for set_by_hand, wanted in ((False, {3, 7}), (True, {7})):
        said = []
        monkeypatch.setattr(_current, "set_num_threads", said.append)
        monkeypatch.setenv("OMP_NUM_THREADS", "7") if set_by_hand else monkeypatch.delenv("OMP_NUM_THREADS", False)

        def work(team):
            with _current._fair_share(team):
                team.barrier()

        run_threads(2, work, timeout=10)
        assert set(said) == wanted


def test_engines_by_name(monkeypatch):
    with pytest.raises(ValueError, match="'mpi', 'gloo' or an object that exchanges bytes, not 'nccl'"), team("nccl"):
        pass
    for name, package in (("mpi", "mpi4py"), ("gloo", "torch")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ImportError, match=f"training over {name}.* needs .*pip install"), team(name):
            pass


def test_nothing_is_imported_that_was_not_asked_for():
    code = "import sys, seriatim.distributed; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"mpi4py", "torch", "dask", "distributed", "sklearn"} & set(loaded)


# ---- Messages


def test_heads_of_other_programs_and_too_much_are_refused():
    call = Call("gather", 1, note=7)
    assert call.check(call.head(100), 2, 100) == (100, 7)
    with pytest.raises(TeamError, match="gather: rank 2 sent 100 bytes where at most 99 are expected"):
        call.check(call.head(100), 2, 99)
    with pytest.raises(TeamError, match="rank 2 sent what is no message of this version"):
        call.check(b"HTTP" + call.head(0)[4:], 2, 99)


def test_what_was_heard_is_not_told_again():
    said = []
    engine, other = local_engines(2)
    engine.fail = said.append
    other.fail("for this test")
    with pytest.raises(TeamError, match="rank 1 has failed: for this test"):
        Team(engine).barrier()
    assert said == []
