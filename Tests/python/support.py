"""What several tests of the operators share."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

import seriatim

# Below, at, above and at multiples of the registers and the panels of all levels.
SIZES = [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 47, 48, 49, 100]

FORMS = ("float64", "byte-swapped", "strided", "Fortran", "negative strides", "read-only", "misaligned", "list")


def form_of(array, form):
    """The same float32 values in another form, which must be converted and left as it is."""
    array = np.asarray(array, np.float32)
    if form == "float64":
        return array.astype(np.float64)
    if form == "byte-swapped":
        return array.astype(array.dtype.newbyteorder())
    if form == "strided":
        return np.repeat(array, 3, axis=-1)[..., 1::3]
    if form == "Fortran":
        return np.asfortranarray(array)
    if form == "negative strides":
        return array[::-1].copy()[::-1]
    if form == "misaligned":
        raw = np.empty(array.nbytes + 1, np.uint8)
        shifted = raw[1:].view(np.float32).reshape(array.shape)
        shifted[...] = array
        return shifted
    if form == "list":
        return array.tolist()
    assert form == "read-only"
    frozen = array.copy()
    frozen.setflags(write=False)
    return frozen


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def close(ours, wanted, tolerance=1e-5, what=""):
    ours, wanted = np.asarray(ours), np.asarray(wanted)
    assert ours.shape == wanted.shape, what
    largest = np.abs(wanted).max() if wanted.size else 0.0
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=tolerance * (1 + largest), err_msg=what)


def same(ours, wanted):
    for a, b in zip(ours, wanted, strict=True):
        if a is None or b is None:
            assert a is b
        else:
            np.testing.assert_array_equal(a, b)


@contextmanager
def threads(number):
    before = seriatim.get_num_threads()
    seriatim.set_num_threads(number)
    try:
        yield
    finally:
        seriatim.set_num_threads(before)


def with_threads(run):
    """What ``run`` gives with two threads and with one: the same bits.

    Two threads come first: what they leave unwritten must not be what one thread has written to the same memory before.
    """
    held, results = [], []
    for number in (2, 1):
        with threads(number):
            held.append(run())
            results.append([None if a is None else np.array(a) for a in held[-1]])
    same(*results)


def sizes_of(lengths):
    return np.array([sum(n > t for n in lengths) for t in range(max(lengths))], np.int64)


def far_apart(seed, n, size):
    """Return float32 numbers whose sum depends on the order, with infinities and NaN among them."""
    rng = np.random.default_rng(seed)
    array = (rng.standard_normal((n, size)) * 10.0 ** rng.integers(-6, 7, (n, size))).astype(np.float32)
    array.reshape(-1)[rng.integers(0, n * size, 2)] = [np.inf, -np.inf]
    array.reshape(-1)[rng.integers(0, n * size)] = np.nan
    array[:, 0] = -0.0
    return array
