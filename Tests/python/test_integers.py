"""Integers that no size can be, for every integer parameter of all that is public: an error or an answer."""

import contextlib
import inspect
import os
import resource
import time

import integer_arguments
import pytest

NAMES = sorted({name for name, _ in integer_arguments.CASES})
ROOM = 2 << 30  # bytes that a call may ask for
# SERIATIM_ALL_INTEGERS tries all of them, and for estimators, too, which are fitted then: some minutes.
EVERYTHING = bool(os.environ.get("SERIATIM_ALL_INTEGERS"))


@pytest.fixture(autouse=True, scope="module")
def _little_memory():
    """Let requests for gigabytes fail, on machines that have them, too."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def values_for(name):
    if EVERYTHING:
        return integer_arguments.ABUSE
    return (2**62,) if name.startswith("models.") else (-1, 2**31, 2**64)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="asks Linux how much memory is used")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_integers_that_no_size_can_be(name, capsys):
    thing = integer_arguments.PUBLIC[name]
    if inspect.isabstract(thing) or name in integer_arguments.BASES:
        pytest.skip("a base class")
    integer_arguments.use(name, {})
    for key, several in integer_arguments.integer_parameters(thing).items():
        for value in values_for(name):
            began = time.process_time()
            with contextlib.suppress(MemoryError):
                try:
                    integer_arguments.use(name, {key: (value, value) if several else value})
                except (ValueError, OverflowError, TypeError) as error:
                    assert "expected" in str(error), (key, value, error)  # noqa: PT017
            assert time.process_time() - began < 2, (key, value)


def test_what_takes_integers_is_found():
    assert integer_arguments.integer_parameters(integer_arguments.PUBLIC["nn.Conv2d"]).keys() == {
        "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "rng",
    }  # fmt: skip
    assert {"hidden_size", "max_epochs", "random_state"} <= {
        key for name, key in integer_arguments.CASES if name == "models.GRUClassifier"
    }
