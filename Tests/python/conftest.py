"""What holds for every test."""

import pytest

import seriatim


@pytest.fixture(autouse=True)
def the_number_of_threads_is_put_back():
    """A limit that a test leaves behind would make later ones run otherwise: `support.threads` puts it back."""
    before = seriatim.get_num_threads()
    yield
    after = seriatim.get_num_threads()
    seriatim.set_num_threads(before)
    assert after == before, f"the test began with {before} threads and leaves {after}"
