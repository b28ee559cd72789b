"""One module that several threads train: gradients are the sums of theirs, and each gets those of its own forward."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support import normal

from seriatim import nn


@pytest.fixture(autouse=True)
def switching_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def network():
    return nn.Sequential(nn.Linear(64, 256, rng=0), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 2, rng=1))


def one_step(module, x):
    y, context = module.trace(x)
    return module.pullback(context, np.ones_like(y))


def test_gradients_and_statistics_of_all_threads_are_there():
    module, alone, x = network(), network(), normal(32, 64)
    count = 60
    for _ in range(count):
        want = one_step(alone, x)
    with ThreadPoolExecutor(16) as pool:
        for got in pool.map(lambda _: one_step(module, x), range(count)):
            np.testing.assert_array_equal(got, want)
    for ours, theirs in zip(module.parameters(), alone.parameters(), strict=True):
        # Equal gradients, so that their sum is one in any order.
        np.testing.assert_array_equal(ours.grad, theirs.grad)
    for name, value in alone.state_dict().items():
        np.testing.assert_array_equal(module.state_dict()[name], value)


def in_thread(call):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def test_backward_takes_the_forward_of_its_own_thread():
    stack, own, other = nn.Sequential(nn.Linear(3, 2, rng=0), nn.Tanh()), normal(4, 3), normal(4, 3, seed=1)
    y = stack(own)
    theirs = in_thread(lambda: (stack(other), stack(other))[0])
    got = stack.backward(y)
    np.testing.assert_array_equal(got, stack.backward(stack(own)))
    # None is left of this thread, and those of the other one are its own.
    assert stack.backward(theirs).shape == other.shape


def test_a_loss_that_threads_share_gives_each_its_own_or_none():
    criterion, own, other = nn.MSELoss(), normal(4, 3), normal(4, 3, seed=1)
    criterion(own, other)
    in_thread(lambda: criterion(other, own))
    with pytest.raises(RuntimeError, match="several threads, need a criterion each"):
        criterion.backward()
    criterion(own, other)
    grad = criterion.backward()
    in_thread(lambda: criterion(own, other))
    np.testing.assert_array_equal(criterion.backward(), grad)


def test_backward_in_another_thread():
    module, x = nn.Linear(3, 2, rng=0), normal(4, 3)
    y = in_thread(lambda: module(x))
    # There is no other one that could be meant.
    assert module.backward(y).shape == x.shape
    barrier = threading.Barrier(2)

    def forward():
        module(x)
        barrier.wait(10)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: forward(), range(2)))
    with pytest.raises(RuntimeError, match="forwards of several threads are open, and none of this one"):
        module.backward(y)
    module.eval()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_forked_during_a_backward_can_train():
    from seriatim.nn.base._guards import guard_of

    module, x = nn.Linear(3, 2, rng=0), normal(4, 3)
    held, done = threading.Event(), threading.Event()

    def hold():
        with guard_of(module.weight):
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    child = os.fork()
    if child == 0:
        threading.Timer(5, lambda: os._exit(1)).start()
        one_step(module, x)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    done.set()
    thread.join()
    assert code == 0
