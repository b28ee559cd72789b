"""The worker pool under what Python programs do: many threads, and fork."""

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import core_arguments
import numpy as np
import pytest
from support import threads

import seriatim
from seriatim import _core, nn


@pytest.fixture(autouse=True)
def two_threads():
    with threads(2):
        yield


def model_and_input():
    rng = np.random.default_rng(0)
    return nn.GRU(20, 96, 2, rng=0).eval(), rng.normal(size=(40, 32, 20)).astype(np.float32)


def run_in_child(queue):
    model, x = model_and_input()
    queue.put(model(x)[0][-1])


def test_calls_from_many_threads_at_once():
    model, x = model_and_input()
    want = model(x)[0]
    with ThreadPoolExecutor(8) as pool:
        for got in pool.map(lambda _: model(x)[0], range(64)):
            np.testing.assert_array_equal(got, want)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_fork_after_threads_and_fork_again():
    model, x = model_and_input()
    want = model(x)[0][-1]
    context = multiprocessing.get_context("fork")
    for _ in range(5):
        queue = context.Queue()
        child = context.Process(target=run_in_child, args=(queue,))
        child.start()
        np.testing.assert_array_equal(queue.get(timeout=60), want)
        child.join(60)
        assert child.exitcode == 0
        np.testing.assert_array_equal(model(x)[0][-1], want)


def test_same_bits_for_any_number_of_threads():
    outputs = []
    for number in (1, 2, 3, 7):
        with threads(number):
            model, x = model_and_input()
            y, _ = model.train()(x)
            grad_x, grad_h0 = model.backward(y)
        outputs.append([y, grad_x, grad_h0, *(p.grad for p in model.parameters())])
    for other in outputs[1:]:
        for a, b in zip(outputs[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_call_keeps_the_threads_that_its_scratch_is_for():
    name, seen = "recurrent_forward", []
    arguments = core_arguments.recurrent(*core_arguments.RECURRENT[-1])
    place = [row["name"] for row in core_arguments.TABLES[name]["parameters"]].index("h0")
    h0 = arguments[place]

    class Late:
        """Read when the size of the scratch is known, as another thread could run then."""

        def __array__(self, dtype=None, copy=None):
            seriatim.set_num_threads(16)
            seen.append(seriatim.get_num_threads())
            return h0

    want = _core.recurrent_forward(*core_arguments.grouped(name, arguments))[0]
    arguments[place] = Late()
    got = _core.recurrent_forward(*core_arguments.grouped(name, arguments))[0]
    assert set(seen) == {2}
    assert seriatim.get_num_threads() == 16
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (0, ValueError, "num_threads: expected a positive integer, got 0"),
        (-1, ValueError, "num_threads: expected a positive integer, got -1"),
        (1.5, TypeError, "integer"),
        ("two", TypeError, "integer"),
    ],
)
def test_wrong_numbers_of_threads(wrong, error, words):
    with pytest.raises(error, match=words):
        seriatim.set_num_threads(wrong)
    assert seriatim.get_num_threads() == 2


def test_threadpoolctl_bounds_the_threads():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    import seriatim.models

    with threadpoolctl.threadpool_limits(1):
        assert seriatim.get_num_threads() == 1
    assert seriatim.get_num_threads() == 2
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        assert seriatim.get_num_threads() == 2
    (found,) = [info for info in threadpoolctl.threadpool_info() if info["user_api"] == "seriatim"]
    assert (found["num_threads"], found["version"]) == (2, seriatim.__version__)


TWICE = """
import importlib.util, os, signal, sys
from seriatim import _core

def once_more(path):
    spec = importlib.util.spec_from_file_location("seriatim._core", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))

# A second time in the main interpreter: what the process has once stays, and fork does not wait for ever.
signal.alarm(20)
kept = _core.empty(300, 300)
once_more(_core.__file__)
child = os.fork()
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
del kept
assert _core.memory_info()["bytes_used"] == 0, _core.memory_info()
try:
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
except ImportError:
    sys.exit()
run = getattr(interpreters, "run_string", None) or interpreters.exec
other = interpreters.create()
failed = run(other, f'''
import importlib.util
try:
    spec = importlib.util.spec_from_file_location("seriatim._core", {_core.__file__!r})
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
except ImportError as error:
    # Ours, or Python's own where each interpreter has its own lock.
    assert "interpreter" in str(error), error
else:
    raise AssertionError("imported")
''')
assert not failed, failed
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_imported_again_and_in_another_interpreter():
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
