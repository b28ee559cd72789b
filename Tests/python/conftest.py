"""What holds for every test."""

import signal

import pytest

import seriatim


def pytest_configure():
    """Hear Ctrl-C even where a shell started the tests in the background, which ignores it for them."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def the_number_of_threads_is_put_back():
    """A limit that a test leaves behind would make later ones run otherwise: `support.threads` puts it back."""
    before = seriatim.get_num_threads()
    yield
    after = seriatim.get_num_threads()
    seriatim.set_num_threads(before)
    assert after == before, f"the test began with {before} threads and leaves {after}"
