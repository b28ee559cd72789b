"""Memory that is kept for reuse: how much of it, and how it goes back."""

from __future__ import annotations

import multiprocessing
import threading

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
