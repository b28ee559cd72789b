"""Memory that is kept for reuse: how much of it, and how it goes back."""

from __future__ import annotations

import multiprocessing
import threading
import time

import numpy as np
import pytest

import seriatim
from seriatim import _core

MB = 1 << 20


def cached():
    return _core.memory_info()["bytes_cached"]


@pytest.fixture(autouse=True)
def released():
    seriatim.release_memory()


def test_release_memory_says_how_much_it_gives_back():
    assert cached() == 0
    block = _core.empty(10 * MB, 1)
    block[:] = 1
    used = _core.memory_info()["bytes_used"]
    assert seriatim.release_memory() == 0
    assert np.all(block == 1)
    del block
    assert cached() == 40 * MB
    assert seriatim.release_memory() == 40 * MB
    assert cached() == 0
    assert _core.memory_info()["bytes_used"] == used - 40 * MB
    assert seriatim.release_memory() == 0


def test_blocks_of_ever_other_sizes_do_not_pile_up():
    for size in range(1, 60):
        _core.empty(size * MB // 4, 1)
        # The most that was in use at a time, and some slack.
        assert cached() <= (2 * size + 66) * MB
    assert cached() <= 130 * MB
    allocated = _core.memory_info()["blocks_allocated"]
    _core.empty(58 * MB // 4, 1)
    # A slightly larger block serves as well.
    _core.empty(57 * MB // 4, 1)
    assert _core.memory_info()["blocks_allocated"] == allocated


def test_what_was_used_last_is_kept_longest():
    old, new = _core.empty(MB, 1), _core.empty(2 * MB, 1)
    del old
    del new
    assert _core.release_memory(8 * MB) == 4 * MB
    allocated = _core.memory_info()["blocks_allocated"]
    _core.empty(2 * MB, 1)
    assert _core.memory_info()["blocks_allocated"] == allocated


def _nanoseconds(call):
    began = time.perf_counter_ns()
    call()
    return time.perf_counter_ns() - began


def _times_among(kept):
    """Nanoseconds of asking for a size of which none is kept, and of giving one block back to the system."""
    blocks = [_core.empty(16 << 10, 1) for _ in range(kept)]
    del blocks
    held = []
    asked = min(_nanoseconds(lambda: held.append(_core.empty(24 << 10, 1))) for _ in range(10))
    return asked, _nanoseconds(seriatim.release_memory) / kept


def test_time_does_not_grow_with_the_number_of_blocks_that_are_kept():
    # A list that is gone through takes some hundred times as long among the many.
    asked, given_back = zip(_times_among(50), _times_among(8000), strict=True)
    assert asked[1] < 20 * asked[0]
    assert given_back[1] < 20 * given_back[0]


def test_release_while_others_compute():
    results, stop = [], threading.Event()

    def compute():
        model = seriatim.nn.GRU(4, 64, rng=0).eval()
        x = np.ones((40, 30, 4), np.float32)
        while not stop.is_set():
            results.append(model(x)[0].sum())

    workers = [threading.Thread(target=compute) for _ in range(2)]
    for worker in workers:
        worker.start()
    for _ in range(200):
        seriatim.release_memory()
    while len(results) < 4 and any(worker.is_alive() for worker in workers):
        seriatim.release_memory()
    stop.set()
    for worker in workers:
        worker.join()
    assert len(set(results)) == 1


def _in_child(queue):
    queue.put(seriatim.release_memory())


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_the_child_of_a_fork_gives_back_its_own():
    block = _core.empty(5 * MB, 1)
    del block
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=_in_child, args=(queue,))
    child.start()
    assert queue.get() == 20 * MB
    child.join()
    assert cached() == 20 * MB


@pytest.fixture
def refusing():
    """Let requests for memory fail: so many, after so many that are answered; nothing is kept that could answer."""
    _core.release_memory(0)
    yield _core.refuse_memory
    _core.refuse_memory(0, 0)


def test_a_request_that_fails_is_tried_again_without_what_is_kept(refusing):
    block = _core.empty(10 * MB, 1)
    del block
    assert cached() == 40 * MB
    refusing(0, 1)
    assert _core.empty(30 * MB, 1).nbytes == 120 * MB
    assert cached() == 120 * MB


@pytest.mark.parametrize("rows", [1, 100_000, 10 * MB])
def test_memory_that_is_not_there_is_an_error_that_says_how_much(refusing, rows):
    used = _core.memory_info()["bytes_used"]
    refusing(0, 2)
    with pytest.raises(MemoryError, match=rf"^y: no memory for {rows * 4} bytes"):
        _core.empty(rows, 1)
    assert _core.memory_info()["bytes_used"] == used
    refusing(0, 0)
    assert _core.empty(rows, 1).shape == (rows, 1)


def test_results_beyond_all_memory_are_refused_at_once():
    with pytest.raises(MemoryError, match=r"y: no memory for 2\*\*63 bytes"):
        _core.adaptive_pool_forward(np.zeros((2, 1, 1), np.float32), 2**31 - 1, 2**31 - 1)


def test_scratch_that_is_not_there_is_an_error_that_says_how_much(refusing):
    refusing(1, 1)
    with pytest.raises(MemoryError, match=r"scratch: no memory for \d+ bytes"):
        _core.ragged_filter(np.ones((4, 1), np.float32), np.array([0, 4]), 3, True)


GROUPS = {
    # What /proc/self/cgroup says, files under /sys/fs/cgroup, bytes and CPUs.
    "none": ("", {}, 0, 0),
    "2, a container": ("0::/\n", {"memory.max": "536870912\n", "cpu.max": "150000 100000\n"}, 512 * MB, 2),
    "2, no limit": ("0::/a\n", {"a/memory.max": "max\n", "a/cpu.max": "max 100000\n"}, 0, 0),
    "2, of a group above": (
        "0::/a.slice/b\n",
        {"a.slice/memory.max": "1048576", "a.slice/b/memory.max": "max", "a.slice/b/memory.high": "2097152"},
        MB,
        0,
    ),
    "2, the host's path": ("0::/docker/0123\n", {"memory.max": "4096"}, 4096, 0),
    "1": (
        "9:name=systemd:/\n4:memory:/a\n3:cpu,cpuacct:/a\n0::/\n",
        {
            "memory/memory.limit_in_bytes": "9223372036854771712",
            "memory/a/memory.limit_in_bytes": "268435456",
            "cpu/a/cpu.cfs_quota_us": "100000",
            "cpu/a/cpu.cfs_period_us": "50000",
        },
        256 * MB,
        2,
    ),
    "1, no limit": (
        "4:memory:/\n3:cpuacct,cpu:/\n",
        {"memory/memory.limit_in_bytes": "9223372036854771712", "cpu/cpu.cfs_quota_us": "-1"},
        0,
        0,
    ),
    "nonsense": ("::\n0\n\n" + "x" * 5000, {"memory.max": "-5", "cpu.max": "0 0", "memory.high": "many"}, 0, 0),
}


@pytest.mark.parametrize(("lines", "files", "memory", "cpus"), GROUPS.values(), ids=GROUPS)
def test_limits_of_control_groups(tmp_path, lines, files, memory, cpus):
    for name, text in {"proc/self/cgroup": lines, **{f"sys/fs/cgroup/{n}": t for n, t in files.items()}}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    limits = _core.group_limits(str(tmp_path))
    assert (limits["memory"], limits["cpus"]) == (memory, cpus)
    unlimited = _core.group_limits(str(tmp_path / "nowhere"))["most_cached"]
    assert 0 < unlimited <= 1024 * MB
    assert limits["most_cached"] == (min(unlimited, memory // 8) if memory else unlimited)
