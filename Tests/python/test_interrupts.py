"""Signals in the middle of a kernel: what their handler raises ends the call, soon; nothing else changes an answer."""

import os
import signal
import threading
import time

import interrupts
import numpy as np
import pytest

from seriatim import _core, nn, optim
from seriatim import functional as F

# Long ones whose arguments are quickly made. All of them: python interrupts.py.
LONG = {
    "recurrent": lambda: interrupts.recurrent("gru", 0, 200_000, 1, 64),
    "products": lambda: interrupts.recurrent("lstm", 0, 40, 200, 700),
    "scan": lambda: interrupts.recurrent("min_gru", 0, 200_000, 4, 16),
    "ctc": interrupts.CASES["ctc_loss"],
    "convolution": lambda: interrupts.convolution((24, 64, 96, 96), (96, 64, 3, 3)),
    "gathered": lambda: interrupts.convolution((8, 32, 96, 96), (128, 32, 7, 7)),
    "weight gradient": lambda: interrupts.linear(6000, 800, 1500, backward=True),
    "steps of images": lambda: interrupts.conv_recurrent(1, 400, 16),
    "median": lambda: interrupts.ragged("ragged_filter", 100_000, 16, 25, True),
    "pooling": lambda: interrupts.pool("average", 1, 1500, 1500, windows=(0, 0, 9, 9, 1, 1, 1, 1, 1, 1)),
    "attention": lambda: interrupts.attention(100_000, 2, 64),
}


@pytest.fixture
def one_thread():
    before = _core.get_num_threads()
    _core.set_num_threads(1)
    yield
    _core.set_num_threads(before)


@pytest.fixture
def alarm():
    """Set a handler and a timer; both are gone after the test."""
    before = signal.getsignal(signal.SIGALRM)

    def wind(handler, delay, every=0.0):
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, delay, every)

    yield wind
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def again(run, begin, *arguments):
    """Begin the timer, and call until the signal comes: behind a call, on a machine so fast that it is over before."""
    begin(*arguments)
    while True:
        run()


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_handler_that_raises_ends_the_call(name, threads, alarm):
    run = LONG[name]()
    before = _core.get_num_threads()
    _core.set_num_threads(threads)
    try:
        began = time.perf_counter()
        with pytest.raises(interrupts.Stop):
            again(run, alarm, interrupts.stop, 0.02)
        # Alone on a machine it is a tenth of a second at most.
        assert time.perf_counter() - began < 2
    finally:
        _core.set_num_threads(before)


def test_ctrl_c():
    run = LONG["convolution"]()
    timer = threading.Timer(0.03, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        again(run, timer.start)
    timer.join()


def test_a_handler_that_returns_changes_nothing(alarm):
    # It calls kernels as well, while this one's threads go on.
    run, calls = interrupts.recurrent("lstm", 0, 60, 100, 320), []

    def count(number, frame):
        x = np.ones((3, 50), np.float32)
        calls.append(float(F.softmax(x)[0].sum()) + float(np.float32(1e-40) / 2 > 0))

    wanted = run()
    alarm(count, 0.01, 0.05)
    got = run()
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(got, wanted, strict=True) if a is not None)
    # Denormal numbers, which kernels take for zero, are numbers in a handler.
    assert calls
    assert calls == [pytest.approx(4)] * len(calls)


def test_other_threads_are_not_ended(alarm):
    run, results = LONG["steps of images"](), []
    thread = threading.Thread(target=lambda: results.append(run()))
    thread.start()
    with pytest.raises(interrupts.Stop):
        again(lambda: time.sleep(5), alarm, interrupts.stop, 0.02)
    thread.join()
    assert len(results) == 1


def test_running_statistics_stay(alarm):
    x = interrupts.floats(300_000, 64)
    mean, var = np.zeros(64, np.float32), np.ones(64, np.float32)

    def run():
        mean[:], var[:] = 0, 1
        F.batch_norm(x, None, None, mean, var, training=True)

    with pytest.raises(interrupts.Stop):
        again(run, alarm, interrupts.stop, 0.02)
    # Before it, or after it.
    one, other = np.zeros(64, np.float32), np.ones(64, np.float32)
    F.batch_norm(x, None, None, one, other, training=True)
    if not mean.any():
        one, other = 0 * one, 0 * other + 1
    assert np.array_equal(mean, one)
    assert np.array_equal(var, other)


def test_a_step_of_training_that_is_ended_leaves_the_parameters(alarm):
    layer = nn.GRU(32, 96)
    rule = optim.Adam(layer.parameters())
    x = interrupts.floats(3000, 8, 32)
    before = [p.data.copy() for p in layer.parameters()]

    def run():
        rule.zero_grad()
        y = layer(x)[0]
        layer.backward(np.ones_like(y))

    with pytest.raises(interrupts.Stop):
        again(run, alarm, interrupts.stop, 0.05)
    layer.eval()
    assert all(np.array_equal(p.data, b) for p, b in zip(layer.parameters(), before, strict=True))
    assert np.isfinite(layer(x[:5])[0]).all()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_in_a_handler_does_not_hang_the_child(alarm, one_thread):
    run, children = interrupts.recurrent("lstm", 0, 60, 100, 320), []

    def fork(number, frame):
        if not children:
            children.append(os.fork())

    run()
    alarm(fork, 0.02)
    try:
        while not children:
            run()
        ended = True
    except RuntimeError as error:
        ended = "forked" in str(error)
    if children and children[0] == 0:
        # The child: its call ends with an error, and others work.
        os._exit(0 if ended and np.isfinite(run()[0]).all() else 1)
    for _ in range(500):
        done, status = os.waitpid(children[0], os.WNOHANG)
        if done:
            break
        time.sleep(0.02)
    else:
        os.kill(children[0], signal.SIGKILL)
        os.waitpid(children[0], 0)
        pytest.fail("the child hangs")
    assert status == 0
